#include "expo/cli/text/search_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>

#include "expo/cli/text/shell_word.h"
#include "expo/core/text.h"
#include "expo/extrapolation/diagnosis/delta_report.h"
#include "expo/search/run/search_recipe.h"

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

/// The further objectives that are shown, by their names.
std::vector<std::string> further_names(const Json& result) {
  const Json second = result.value("second", Json::object());
  std::vector<std::string> names;
  for (const auto& [name, scorer] : second.items()) names.push_back(name);
  return names;
}

/// Columns of the further objectives.
std::string further(const Json& part, const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    const Json& score = part.at("scores").at(name);
    text += fmt::format("  {:>8.4f} ± {:.4f}", score.at("mean").get<double>(),
                        score.at("standard_error").get<double>());
  }
  return text;
}

std::string standing(const Json& candidate) {
  if (candidate.at("chosen").get<bool>()) return "  chosen";
  if (const Json& collapsed = candidate.at("collapsed"); !collapsed.is_null())
    return "  collapsed: " + describe_collapse(collapsed);
  if (!candidate.at("eligible").get<bool>()) return "  against a guard";
  return candidate.at("tied").get<bool>() ? "  not told apart from the best" : "";
}

/// Stochastic rounding keeps each α on average.
std::string mark(const Json& candidate, const Json& setting) {
  const Json& effective = candidate.at("effective_alpha");
  if (effective.is_null() || setting.at("rounding") != "nearest" ||
      keeps_alpha(candidate.at("alpha").get<double>(), effective.get<double>()))
    return standing(candidate);
  return fmt::format("  with the effect of {:.4g}{}", effective.get<double>(), standing(candidate));
}

/// The α, or the name of a model that is no α of the pair.
std::string name_of(const Json& candidate) {
  const std::string label = candidate.at("label");
  return label.starts_with("α = ") ? shown_alpha(candidate.at("alpha")) : label;
}

bool has_several_models(const Json& result) {
  return !result.at("also").empty();
}

/// The row of the candidates that has this flag.
const Json& candidate_with(const Json& result, const char* flag) {
  const Json& all = result.at("candidates");
  return *std::find_if(all.begin(), all.end(),
                       [&](const Json& each) { return each.at(flag).get<bool>(); });
}

/// Whether what the chosen α was compared with is one of the candidates to choose from.
bool is_baseline_among(const Json& result) {
  return std::ranges::any_of(result.at("candidates"), [&](const Json& each) {
    return each.at("label") == result.at("baseline") && !each.at("choosing").is_null();
  });
}

/// The chosen α, with its model where that could be mistaken.
std::string chosen_name(const Json& result) {
  const Json& chosen = candidate_with(result, "chosen");
  const std::string label = chosen.at("label");
  if (has_several_models(result) || is_baseline_among(result)) return label;
  return fmt::format("{} at {}", result.at("aligned").get<std::string>(), label);
}

/// The point by modules that was compared with one α for all; null if there is none.
const Json* compared_point(const Json& result) {
  const Json& modules = result.at("modules");
  return modules.is_null() || modules.at("confirming").is_null() ? nullptr : &modules;
}

std::string table(const Json& result) {
  std::size_t width = 10;
  for (const Json& each : result.at("candidates"))
    width = std::max(width, count_characters(name_of(each)));
  std::string text = fmt::format(
      "{:>{}}  {:^26}     {}\n{:>{}}  prompts  mean ± std. error  prompts  mean ± std. error    "
      "length  truncated  repeated",
      "", width, "on the choosing part", "on the confirming part", "α", width);
  const std::vector<std::string> names = further_names(result);
  for (const std::string& name : names) text += fmt::format("  {:>17}", name);
  text += "\n";
  const auto add = [&](const std::string& name, const Json& row, const std::string& remark) {
    const Json& confirming = row.at("confirming");
    const Json& shown = confirming.is_null() ? row.at("choosing") : confirming;
    text += fmt::format("{:>{}}  {}  {}  {}{}{}\n", name, width, estimate(row.at("choosing")),
                        estimate(confirming), costs(shown),
                        shown.is_null() ? std::string() : further(shown, names), remark);
  };
  for (const Json& each : result.at("candidates"))
    add(name_of(each), each, mark(each, result.at("setting")));
  if (const Json* point = compared_point(result))
    add("by modules", *point, "  an α for each kind of module");
  return text;
}

std::string training_sentence(const Json& result) {
  const Json& training = result.at("training");
  if (training.is_null()) return {};
  return fmt::format(
      "{} (α = 0) against SFT (α = −1): {}\n",
      has_several_models(result) ? training.at("model").get<std::string>() : "ALIGNED",
      difference(training));
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
  bool is_guarded = false;
  bool is_collapsed = false;
  for (const Json& each : result.at("candidates")) {
    if (each.at("eligible").get<bool>()) continue;
    (each.at("collapsed").is_null() ? is_guarded : is_collapsed) = true;
    if (each.at("choosing").is_null() || !each.at("collapsed").is_null()) continue;
    if (baseline == nullptr || baseline->is_null() ||
        each.at("choosing").at("mean") > baseline->at("mean"))
      better.push_back(each.at("label"));
  }
  const std::string zero =
      fmt::format("{}, {} itself", result.at("baseline").get<std::string>(),
                  has_several_models(result) ? result.at("model").get<std::string>() : "ALIGNED");
  if (allowed == 0) {
    return fmt::format("no worthwhile gain: {} every α above 0, which leaves {}\n",
                       !is_collapsed ? "guards exclude"
                       : is_guarded  ? "guards and collapsing answers exclude"
                                     : "answers collapse at",
                       zero);
  }
  if (better.empty())
    return fmt::format("no worthwhile gain: the choosing part prefers {}\n", zero);
  return fmt::format(
      "no worthwhile gain: guards exclude {}, whose scores are better, and of the others the "
      "choosing part prefers {}\n",
      fmt::join(better, ", "), zero);
}

std::string verdict_sentence(const Json& result) {
  const std::string verdict = result.at("verdict");
  const Json& comparison = result.at("confirmation");
  if (comparison.is_null()) return unchosen_sentence(result);
  const std::string baseline = result.at("baseline");
  const std::string chosen = chosen_name(result);
  std::string text = fmt::format("{} against {}: {}, on {} that did not choose it\n", chosen,
                                 baseline, difference(comparison),
                                 counted(comparison.at("prompts").get<std::size_t>(), "prompt"));
  if (const Json& equal = comparison.at("at_equal_length"); !equal.is_null()) {
    text += fmt::format("at equal length: {:+.4f} ± {:.4f}\n", equal.at("gain").get<double>(),
                        equal.at("standard_error").get<double>());
  }
  text += describe_shown(result.at("shown"));
  if (verdict == "undecided") return text + undecided_sentence(result);
  if (verdict == "gain") {
    return text + (baseline == "α = 0"
                       ? "a gain\n"
                       : fmt::format("a gain: {} is better than {}\n", chosen, baseline));
  }
  if (!is_baseline_among(result))
    return text + fmt::format("no worthwhile gain over {}\n", baseline);
  return text + fmt::format(
                    "no worthwhile gain: {}, {} itself, is recommended\n", baseline,
                    has_several_models(result) ? result.at("model").get<std::string>() : "ALIGNED");
}

std::string next_step(const Json& result) {
  if (result.at("alpha") == 0) {
    return has_several_models(result) ? fmt::format("{} is the model to take, as it is\n",
                                                    result.at("model").get<std::string>())
                                      : "";
  }
  if (recommends_modules(result)) return {};
  const Json& setting = result.at("setting");
  const std::string rounding = setting.at("rounding");
  const std::string policy = result.at("on_mismatch");
  return fmt::format(
      "to write it: expo extrapolate {} {} -o OUT --alpha {} --out-dtype {} --rounding {}{}{}\n",
      shell_quoted(result.at("sft")), shell_quoted(result.at("model")),
      result.at("alpha").get<double>(), setting.at("dtype").get<std::string>(), rounding,
      rounding == "stochastic"
          ? fmt::format(" --seed {}", setting.at("rounding_seed").get<std::uint64_t>())
          : "",
      policy == "refuse" ? "" : " --on-mismatch " + policy);
}

std::string tied_sentence(const Json& result) {
  if (result.at("tied").size() < 2) return {};
  std::vector<std::string> names;
  for (const Json& each : result.at("candidates")) {
    if (each.at("tied").get<bool>()) names.push_back(name_of(each));
  }
  return fmt::format("the choosing part does not tell {}{} apart from the best, {}\n",
                     has_several_models(result) ? "" : "α = ", fmt::join(names, ", "),
                     name_of(candidate_with(result, "best")));
}

/// A drift with its standard error, if there is one; searches of earlier versions have none.
std::string drift_of(const Json& row, const std::string& key) {
  const std::string mean = fmt::format("{:.4f}", row.at(key).get<double>());
  const auto error = row.find(key + "_error");
  if (error == row.end() || error->is_null()) return mean;
  return fmt::format("{} ± {:.4f}", mean, error->get<double>());
}

/// How far the compared candidates have gone from the models that they are made of.
std::string drift_sentence(const Json& result) {
  std::vector<std::string> parts;
  const auto add = [&](const std::string& name, const Json& row, bool is_aligned) {
    if (row.at("drift_from_sft").is_null()) return;
    parts.push_back(fmt::format("{} {} from SFT", name, drift_of(row, "drift_from_sft")));
    if (!is_aligned)
      parts.back() += fmt::format(" and {} from α = 0", drift_of(row, "drift_from_aligned"));
  };
  for (const Json& each : result.at("candidates")) {
    if (each.at("alpha") != -1) add(each.at("label"), each, each.at("alpha") == 0);
  }
  if (const Json* point = compared_point(result)) add("by modules", *point, false);
  return parts.empty() ? "" : fmt::format("drift, nats a token: {}\n", fmt::join(parts, "; "));
}

/// AlpacaEval's figures, where a judge has compared answers with the baseline's.
std::string judged_sentences(const Json& result) {
  const auto judged = result.find("judged");
  std::string text;
  for (const Json& each : judged == result.end() ? Json::array() : *judged) {
    const Json& interval = each.at("length_controlled_95");
    text += fmt::format(
        "{}: length-controlled win rate {:.2f} (95 %: {:.2f} to {:.2f}), win rate {:.2f} ± {:.2f}, "
        "over {}\n",
        each.at("label").get<std::string>(), each.at("length_controlled_winrate").get<double>(),
        interval.at(0).get<double>(), interval.at(1).get<double>(),
        each.at("win_rate").get<double>(), each.at("standard_error").get<double>(),
        counted(each.at("n_total").get<std::size_t>(), "answer"));
  }
  return text;
}

}  // namespace

std::string describe_difference(const Json& comparison) {
  return difference(comparison);
}

std::string describe_shown(const Json& shown) {
  std::string text;
  for (const auto& [name, each] : shown.items()) {
    text +=
        fmt::format("{}, shown and not tested: {:+.4f} ± {:.4f}\n", name,
                    each.at("difference").get<double>(), each.at("standard_error").get<double>());
  }
  return text;
}

std::string describe_search(const Json& result) {
  return table(result) + tied_sentence(result) + training_sentence(result) +
         verdict_sentence(result) + judged_sentences(result) + drift_sentence(result) +
         describe_modules(result) +
         fmt::format("{} tokens in all\n", result.at("tokens").get<std::uint64_t>()) +
         next_step(result);
}

std::string describe_collapse(const Json& collapsed) {
  const std::string kind = collapsed.at("kind");
  const std::string what =
      kind == "endless" ? fmt::format("reach {} tokens", collapsed.at("cap").get<std::uint64_t>())
      : kind == "empty" ? "are empty"
                        : "repeat themselves";
  return fmt::format("{}: {:.0f} % of its answers {}, {:.0f} % at α = 0", kind,
                     100 * collapsed.at("share").get<double>(), what,
                     100 * collapsed.at("share_at_zero").get<double>());
}

std::string describe(const Look& look, std::size_t number, const std::vector<Candidate>& candidates,
                     std::optional<std::uint64_t> budget) {
  const auto has_modules = [&](const LookEntry& each) {
    return candidates[each.candidate].modules.has_value();
  };
  if (std::any_of(look.entries.begin(), look.entries.end(), has_modules))
    return describe_points(look, number, candidates, budget);
  std::vector<const LookEntry*> alive;
  for (const LookEntry& entry : look.entries) {
    if (entry.alive) alive.push_back(&entry);
  }
  std::sort(alive.begin(), alive.end(), [&](const LookEntry* left, const LookEntry* right) {
    const Candidate& first = candidates[left->candidate];
    const Candidate& second = candidates[right->candidate];
    return std::tie(first.family, first.alpha) < std::tie(second.family, second.alpha);
  });
  const bool has_families =
      std::any_of(candidates.begin(), candidates.end(),
                  [&](const Candidate& each) { return each.family != candidates.front().family; });
  std::vector<std::string> shown;
  for (const LookEntry* entry : alive) {
    const Candidate& candidate = candidates[entry->candidate];
    shown.push_back(fmt::format(
        "{} ({:.3f})", has_families ? candidate.label : fmt::format("{:g}", candidate.alpha),
        entry->mean));
  }
  const std::string left = budget ? fmt::format(" of {}", *budget) : std::string();
  return fmt::format("look {}: {}{} (mean score) stay of {}; {}{} tokens", number,
                     has_families ? "" : "α ", fmt::join(shown, ", "), look.entries.size(),
                     look.tokens, left);
}

}  // namespace expo
