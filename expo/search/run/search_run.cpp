#include "expo/search/run/search_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/search/modules/module_budget.h"
#include "expo/search/strategies.h"

namespace expo {
namespace {

/// The share of a budget that the choice of one α for all tensors may take.
double choosing_end(const SearchRunOptions& options) {
  return options.modules ? kUniformEnd : 1 - kConfirmingShare;
}

class Run {
 public:
  Run(ScoreSource& source, const PromptSplit& split, const SearchRunOptions& options)
      : source_(source),
        options_(options),
        choosing_(source, split.choosing,
                  options.strategy == Strategy::race ? SampleOrder::apart : SampleOrder::together),
        confirming_(source, split.confirming) {
    const auto baseline = find_candidate(source.candidates(), 0);
    if (!baseline) throw usage_error("a search needs α = 0 among its candidates, to compare with");
    result_.baseline = *baseline;
    result_.control = find_candidate(source.candidates(), -1);
    result_.models = options.models;
    result_.choosing_prompts = split.choosing.size();
    result_.confirming_prompts = split.confirming.size();
  }

  SearchResult run() {
    choose_alpha();
    confirm_alpha();
    if (options_.modules) vary_modules();
    collect();
    warn();
    return std::move(result_);
  }

 private:
  SearchOptions search_options() {
    SearchOptions options;
    options.baseline = result_.baseline;
    options.control = result_.control;
    options.guards = options_.guards;
    options.on_look = [this](const Look& look) { tell(look); };
    options.on_collapsed = [this](const Collapsed& collapsed) { tell(collapsed); };
    if (options_.tokens) {
      options.budget_part = {choosing_end(options_), 0, options_.tokens};
      options.tokens = left_until(choosing_end(options_), *options_.tokens, 0);
    }
    return options;
  }

  void tell(const Look& look) {
    ++looks_;
    if (options_.on_look) options_.on_look(look, looks_, source_.candidates());
  }

  void tell(const Collapsed& collapsed) {
    if (options_.on_collapsed) options_.on_collapsed(collapsed, source_.candidates());
  }

  void choose_alpha() {
    const SearchOptions options = search_options();
    const Choice choice = choose(options_.strategy, choosing_, options);
    result_.best = result_.chosen = choice.chosen;
    result_.tied = choice.tied;
    result_.choosing_tokens = choice.tokens;
    for (std::size_t i = 0; i < source_.candidates().size(); ++i) {
      const bool eligible = choosing_.of(i).empty() || is_eligible(choosing_, options, i);
      result_.candidates.push_back(
          {source_.candidates()[i], estimate_of(choosing_, i), std::nullopt, eligible});
      has_families_ = has_families_ || !are_akin(i, result_.baseline);
    }
    for (const Collapsed& each : choice.collapsed) {
      result_.candidates[each.candidate].eligible = false;
      result_.candidates[each.candidate].collapsed = each;
    }
    if (options_.prefer == TiePreference::smallest && alpha_of(choice.chosen) > 0)
      prefer_smallest();
  }

  const Candidate& candidate(std::size_t number) const { return source_.candidates()[number]; }
  double alpha_of(std::size_t number) const { return candidate(number).alpha; }

  bool are_akin(std::size_t left, std::size_t right) const {
    return candidate(left).family == candidate(right).family;
  }

  /// α = 0 is left out here: whether extrapolation gains anything is what the confirmation decides.
  /// The α of two families are steps of different lengths, so those of the best one's count only.
  void prefer_smallest() {
    result_.chosen = *std::find_if(result_.tied.begin(), result_.tied.end(), [&](std::size_t each) {
      return alpha_of(each) > 0 && are_akin(each, result_.best);
    });
  }

  void confirm_alpha() {
    ConfirmationOptions options;
    if (options_.add_rival) result_.rival = options_.add_rival();
    const std::size_t competitors = result_.candidates.size();
    if (result_.rival == competitors)
      result_.candidates.push_back({candidate(*result_.rival), {}, {}, true});
    options.baseline = result_.rival.value_or(result_.baseline);
    if (options_.on_confirming && result_.chosen != options.baseline) {
      options_.on_confirming(candidate(result_.chosen), candidate(options.baseline),
                             result_.confirming_prompts);
    }
    result_.trained = find_candidate(source_.candidates(), 0, candidate(result_.chosen).family);
    options.aligned = result_.trained;
    options.control = result_.control;
    options.min_gain = options_.min_gain;
    options.seed = options_.seed;
    if (!options_.guards.empty()) options.guarded_by = result_.baseline;
    if (options_.tokens) {
      const double end = options_.modules ? kUniformTested : 1;
      options.budget_part = {end, result_.choosing_tokens, options_.tokens};
      options.tokens = left_until(end, *options_.tokens, result_.choosing_tokens);
    }
    result_.confirmation = confirm(confirming_, result_.chosen, options);
    const bool falls_back = result_.confirmation.verdict == Verdict::no_worthwhile_gain &&
                            options.baseline < competitors &&
                            result_.candidates[options.baseline].eligible;
    result_.recommended = falls_back ? options.baseline : result_.chosen;
    result_.alpha = alpha_of(result_.recommended);
  }

  void vary_modules() {
    ModuleStageOptions options;
    options.start = result_.chosen;
    options.baseline = result_.baseline;
    options.first = result_.confirmation.verdict;
    options.guards = options_.guards;
    options.min_gain = options_.min_gain;
    options.tokens = options_.tokens;
    options.seed = options_.seed;
    options.on_look = [this](const Look& look) { tell(look); };
    options.on_collapsed = [this](const Collapsed& collapsed) { tell(collapsed); };
    result_.modules = search_modules(choosing_, confirming_, options);
  }

  void collect() {
    for (std::size_t i = 0; i < result_.candidates.size(); ++i)
      result_.candidates[i].confirming = estimate_of(confirming_, i);
    compare_measures();
    const auto& gain = result_.confirmation.gain;
    result_.compared_prompts =
        gain ? gain->difference.count : confirming_.prompt_means(result_.chosen).size();
    result_.tokens = choosing_.tokens() + confirming_.tokens();
  }

  void compare_measures() {
    result_.measures = source_.measures();
    const std::size_t other = result_.rival.value_or(result_.baseline);
    if (result_.chosen != other)
      result_.measure_differences = measure_differences(confirming_, result_.chosen, other);
  }

  void warn() {
    warn_of_training();
    warn_of_edge();
    warn_of_guards();
    warn_of_surges();
    if (result_.compared_prompts < result_.confirming_prompts) {
      const bool is_left = result_.modules && !result_.modules->skipped.empty();
      result_.warnings.push_back(fmt::format(
          "the budget reached {} of the confirming part's {}; a larger --token-budget decides more "
          "surely{}",
          result_.compared_prompts, counted(result_.confirming_prompts, "prompt"),
          is_left ? ", and so does one without --modules, which kept its share for later tests"
                  : ""));
    }
  }

  void warn_of_training() {
    constexpr double kLevel = 0.05;
    if (!result_.confirmation.training || result_.confirmation.training->p <= kLevel) return;
    const Comparison& training = *result_.confirmation.training;
    result_.warnings.push_back(fmt::format(
        "{} is {} SFT (α = −1) on the confirming part: the difference is {:+.4f} (90 %: {:+.4f} to "
        "{:+.4f}); extrapolating a step that did not help rarely does",
        has_families_ ? candidate(*result_.trained).label : "ALIGNED (α = 0)",
        training.interval.second < 0 ? "worse than" : "not shown to be better than",
        training.difference.mean, training.interval.first, training.interval.second));
  }

  void warn_of_edge() {
    double largest = 0;
    for (std::size_t i = 0; i < result_.candidates.size(); ++i) {
      if (are_akin(i, result_.best)) largest = std::max(largest, alpha_of(i));
    }
    if (alpha_of(result_.best) <= 0 || alpha_of(result_.best) < largest) return;
    result_.warnings.push_back(fmt::format(
        "the best α{}, {:g}, is the largest that was tried; larger ones may be better "
        "still: name them with --alphas",
        has_families_ ? fmt::format(" ({})", candidate(result_.best).label) : "", largest));
  }

  /// Each family has a curve of its own.
  void warn_of_surges() {
    std::map<std::size_t, std::vector<LengthAtAlpha>> lengths;
    for (const SearchedCandidate& each : result_.candidates) {
      if (each.choosing)
        lengths[each.candidate.family].push_back({each.candidate.alpha, each.choosing->length});
    }
    for (const auto& [family, curve] : lengths) {
      const auto surge = surge_of_length(curve);
      if (!surge) continue;
      result_.warnings.push_back(fmt::format(
          "at {} answers are already {:.1f} times as long as at α = 0: the paper reads such a "
          "surge as a sign that training has learnt length rather than preference (§3.3)",
          candidate(*find_candidate(source_.candidates(), surge->alpha, family)).label,
          surge->ratio));
    }
  }

  void warn_of_guards() {
    std::vector<std::size_t> proposed{result_.chosen};
    if (result_.modules && result_.modules->is_gain())
      proposed.push_back(result_.modules->chosen_number);
    for (const std::size_t each : proposed) {
      for (const Guard& guard : options_.guards) {
        if (!violates(guard, confirming_.of(each), confirming_.of(result_.baseline))) continue;
        result_.warnings.push_back(fmt::format(
            "on the confirming part, {} violates --guard '{}', which it obeyed on the choosing one",
            candidate(each).label, guard.text));
      }
    }
    warn_of_guarded_rival();
  }

  /// It is not recommended then, though nothing was shown to be better.
  void warn_of_guarded_rival() {
    if (result_.confirmation.verdict != Verdict::no_worthwhile_gain || !result_.rival ||
        result_.candidates[*result_.rival].eligible)
      return;
    result_.warnings.push_back(fmt::format(
        "{} gains nothing worthwhile over {}, which is not recommended, as it violates a guard or "
        "its answers collapse",
        candidate(result_.chosen).label, candidate(*result_.rival).label));
  }

  ScoreSource& source_;
  const SearchRunOptions& options_;
  ScoreTable choosing_;
  ScoreTable confirming_;
  SearchResult result_;
  std::size_t looks_ = 0;
  bool has_families_ = false;  ///< whether several of them compete
};

}  // namespace

TiePreference preference_named(std::string_view name) {
  if (name == "best") return TiePreference::best;
  if (name == "smallest") return TiePreference::smallest;
  throw usage_error(
      fmt::format("--prefer: '{}' is not known; expected best or smallest", on_one_line(name)));
}

void check_parts(const PromptSplit& split, const std::string& place) {
  // With this many, hardly one split in a thousand leaves either part too small.
  constexpr std::size_t kSafe = 6 * kFewestPrompts;
  if (std::min(split.choosing.size(), split.confirming.size()) >= kFewestPrompts) return;
  throw input_error(fmt::format(
      "{}: of its {}, {} fall to the part that chooses α and {} to the part that confirms it, but "
      "a "
      "claim needs at least {} in each; give about {} prompts, and some hundreds to find small "
      "gains",
      place, counted(split.choosing.size() + split.confirming.size(), "prompt"),
      split.choosing.size(), split.confirming.size(), kFewestPrompts, kSafe));
}

void check_token_budget(const SearchRunOptions& options, std::size_t alphas,
                        std::uint32_t samples) {
  if (!options.tokens) return;
  constexpr std::uint64_t kRows = 2;
  constexpr std::uint64_t kCompared = 2;  // α = 0 and −1
  const std::uint64_t choosing =
      kRows * alphas * (options.strategy == Strategy::race ? 1 : samples);
  const auto whole = [](std::uint64_t tokens, double end) {
    return static_cast<std::uint64_t>(std::ceil(static_cast<double>(tokens) / end));
  };
  const std::uint64_t needed =
      std::max(whole(choosing, choosing_end(options)),
               whole(choosing + kRows * kCompared * samples, options.modules ? kUniformTested : 1));
  if (*options.tokens >= needed) return;
  throw usage_error(fmt::format(
      "--token-budget {}: is too small for any search: {} α with two prompts each, and the "
      "confirmation, take {} tokens even if each answer has only one; expected many times that",
      *options.tokens, alphas, needed));
}

SearchResult run_search(ScoreSource& source, const PromptSplit& split,
                        const SearchRunOptions& options) {
  return Run(source, split, options).run();
}

}  // namespace expo
