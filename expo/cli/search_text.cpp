#include "expo/cli/search_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "expo/cli/shell_word.h"
#include "expo/core/text.h"

namespace expo {
namespace {

std::string shown_alpha(const Json& alpha) {
  return fmt::format("{:g}", alpha.get<double>());
}

/// "+0.0833 (90 %: +0.0210 to +0.1456)"; a bound that is null is open.
std::string difference(const Json& comparison) {
  const auto bound = [](const Json& value, const char* open) {
    return value.is_null() ? std::string(open) : fmt::format("{:+.4f}", value.get<double>());
  };
  const Json& interval = comparison.at("interval");
  return fmt::format("{:+.4f} (90 %: {} to {}; p = {:.3g})", comparison.at("gain").get<double>(),
                     bound(interval.at(0), "−∞"), bound(interval.at(1), "∞"),
                     comparison.at("p").get<double>());
}

std::string estimate(const Json& part) {
  if (part.is_null()) return fmt::format("{:>7}  {:>17}", "", "");
  return fmt::format("{:>7}  {:>8.4f} ± {:.4f}", part.at("prompts").get<std::size_t>(),
                     part.at("mean").get<double>(), part.at("standard_error").get<double>());
}

std::string costs(const Json& part) {
  if (part.is_null()) return {};
  const Json& repetition = part.at("repetition");
  return fmt::format("{:>8.1f}  {:>7.1f} %  {:>8}", part.at("length").get<double>(),
                     100 * part.at("truncated").get<double>(),
                     repetition.is_null()
                         ? std::string()
                         : fmt::format("{:.1f} %", 100 * repetition.get<double>()));
}

std::string standing(const Json& candidate) {
  if (candidate.at("chosen").get<bool>()) return "  chosen";
  if (!candidate.at("eligible").get<bool>()) return "  against a guard";
  return candidate.at("tied").get<bool>() ? "  not told apart from the best" : "";
}

std::string mark(const Json& candidate) {
  const Json& effective = candidate.at("effective_alpha");
  if (effective.is_null()) return standing(candidate);
  return fmt::format("  with the effect of {:.4g}{}", effective.get<double>(), standing(candidate));
}

/// The α, or the name of a model that is no α of the pair.
std::string name_of(const Json& candidate) {
  const std::string label = candidate.at("label");
  return label.starts_with("α = ") ? shown_alpha(candidate.at("alpha")) : label;
}

std::string table(const Json& result) {
  std::string text = fmt::format(
      "            {:^26}     {}\n         α  prompts  mean ± std. error  prompts  mean ± std. "
      "error    length  truncated  repeated\n",
      "on the choosing part", "on the confirming part");
  for (const Json& each : result.at("candidates")) {
    const Json& confirming = each.at("confirming");
    text += fmt::format("{:>10}  {}  {}  {}{}\n", name_of(each), estimate(each.at("choosing")),
                        estimate(confirming),
                        costs(confirming.is_null() ? each.at("choosing") : confirming), mark(each));
  }
  return text;
}

std::string training_sentence(const Json& result) {
  const Json& training = result.at("training");
  if (training.is_null()) return {};
  return fmt::format("ALIGNED (α = 0) against SFT (α = −1): {}\n", difference(training));
}

std::string undecided_sentence(const Json& result) {
  const Json& needed = result.at("needed_prompts");
  if (needed.is_null())
    return "undecided: no gain was seen, so no number of prompts would show one, nor is it ruled "
           "out\n";
  return fmt::format(
      "undecided: these prompts do not tell; about {} in the confirming part ({} in all) would\n",
      needed.get<std::size_t>(), 2 * needed.get<std::size_t>());
}

/// Why α = 0 was chosen: because nothing was better, or because guards exclude what was.
std::string unchosen_sentence(const Json& result) {
  const Json* baseline = nullptr;
  std::size_t allowed = 0;
  for (const Json& each : result.at("candidates")) {
    if (each.at("chosen").get<bool>()) baseline = &each.at("choosing");
    allowed += each.at("alpha") > 0 && each.at("eligible").get<bool>() ? 1 : 0;
  }
  std::vector<std::string> better;
  for (const Json& each : result.at("candidates")) {
    if (each.at("eligible").get<bool>() || each.at("choosing").is_null()) continue;
    if (baseline == nullptr || baseline->is_null() ||
        each.at("choosing").at("mean") > baseline->at("mean"))
      better.push_back(shown_alpha(each.at("alpha")));
  }
  const std::string zero = "α = 0, ALIGNED itself";
  if (allowed == 0)
    return fmt::format("no worthwhile gain: guards exclude every α above 0, which leaves {}\n",
                       zero);
  if (better.empty())
    return fmt::format("no worthwhile gain: the choosing part prefers {}\n", zero);
  return fmt::format(
      "no worthwhile gain: guards exclude α = {}, whose scores are better, and of the others the "
      "choosing part prefers {}\n",
      fmt::join(better, ", "), zero);
}

std::string verdict_sentence(const Json& result) {
  const std::string verdict = result.at("verdict");
  const Json& comparison = result.at("confirmation");
  if (comparison.is_null()) return unchosen_sentence(result);
  const std::string baseline = result.at("baseline");
  std::string text = fmt::format("α = {} against {}: {}, on {} that did not choose it\n",
                                 shown_alpha(result.at("chosen")), baseline, difference(comparison),
                                 counted(comparison.at("prompts").get<std::size_t>(), "prompt"));
  if (const Json& equal = comparison.at("at_equal_length"); !equal.is_null()) {
    text += fmt::format("at equal length: {:+.4f} ± {:.4f}\n", equal.at("gain").get<double>(),
                        equal.at("standard_error").get<double>());
  }
  if (verdict == "gain") return text + "a gain\n";
  if (verdict == "undecided") return text + undecided_sentence(result);
  if (!baseline.starts_with("α = ")) return text + "no worthwhile gain over it\n";
  return text + "no worthwhile gain: α = 0, ALIGNED itself, is recommended\n";
}

std::string next_step(const Json& result) {
  if (result.at("alpha") == 0) return {};
  const Json& setting = result.at("setting");
  const std::string rounding = setting.at("rounding");
  const std::string policy = result.at("on_mismatch");
  return fmt::format(
      "to write it: expo extrapolate {} {} -o OUT --alpha {} --out-dtype {} --rounding {}{}{}\n",
      shell_quoted(result.at("sft")), shell_quoted(result.at("aligned")),
      result.at("alpha").get<double>(), setting.at("dtype").get<std::string>(), rounding,
      rounding == "stochastic"
          ? fmt::format(" --seed {}", setting.at("rounding_seed").get<std::uint64_t>())
          : "",
      policy == "refuse" ? "" : " --on-mismatch " + policy);
}

std::string tied_sentence(const Json& result) {
  if (result.at("tied").size() < 2) return {};
  std::vector<std::string> alphas;
  for (const Json& alpha : result.at("tied")) alphas.push_back(shown_alpha(alpha));
  return fmt::format("the choosing part does not tell α = {} apart from the best, {}\n",
                     fmt::join(alphas, ", "), shown_alpha(result.at("best")));
}

}  // namespace

std::string describe_search(const Json& result) {
  return table(result) + tied_sentence(result) + training_sentence(result) +
         verdict_sentence(result) +
         fmt::format("{} tokens in all\n", result.at("tokens").get<std::uint64_t>()) +
         next_step(result);
}

std::string describe(const Look& look, std::size_t number, const std::vector<Candidate>& candidates,
                     std::optional<std::uint64_t> budget) {
  std::vector<const LookEntry*> alive;
  for (const LookEntry& entry : look.entries) {
    if (entry.alive) alive.push_back(&entry);
  }
  std::sort(alive.begin(), alive.end(), [&](const LookEntry* left, const LookEntry* right) {
    return candidates[left->candidate].alpha < candidates[right->candidate].alpha;
  });
  std::vector<std::string> shown;
  for (const LookEntry* entry : alive)
    shown.push_back(fmt::format("{:g} ({:.3f})", candidates[entry->candidate].alpha, entry->mean));
  const std::string left = budget ? fmt::format(" of {}", *budget) : std::string();
  return fmt::format("look {}: α {} (mean score) stay of {}; {}{} tokens", number,
                     fmt::join(shown, ", "), look.entries.size(), look.tokens, left);
}

}  // namespace expo
