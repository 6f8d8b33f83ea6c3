#include "expo/cli/search_judge.h"

#include <algorithm>

#include "expo/cli/options/data_folder.h"
#include "expo/cli/text/judge_text.h"
#include "expo/evaluation/judge/served/served_chat_model.h"
#include "expo/search/expected_answers.h"
#include "expo/search/live/judge_scorer.h"
#include "expo/search/modules/module_search.h"

namespace expo {
namespace {

std::filesystem::path judge_template() {
  return shipped_data_folder("judge") / "alpaca_eval_clf.prompt";
}

Contest contest_of(const LiveSearch& search) {
  const auto contenders =
      std::ranges::count_if(search.alphas, [](double alpha) { return alpha >= 0; });
  const std::size_t models = search.run.models.size() - (search.rival != nullptr ? 1 : 0);
  return {.strategy = search.run.strategy,
          .alphas = static_cast<std::size_t>(contenders) * models,
          .models = models,
          .has_rival = search.rival != nullptr,
          .has_other_baseline = search.baseline_policy.has_value(),
          .module_points = search.run.modules ? kMostModulePoints : 0};
}

/// How much of the likely answers a budget of tokens reaches.
double share_within_budget(const LiveSearch& search, double answers, double tokens) {
  const double needed = answers * tokens;
  return search.run.tokens && needed > 0
             ? std::min(1.0, static_cast<double>(*search.run.tokens) / needed)
             : 1;
}

/// Passes on each prompt with the answers to it that are expected.
void for_each_prompt(const LiveSearch& search,
                     const std::function<void(const Prompt&, ExpectedAnswers)>& take) {
  const Contest contest = contest_of(search);
  for (std::size_t place = 0; place < search.split.choosing.size(); ++place)
    take(search.prompts[search.split.choosing[place]], expected_in_choice(contest, place));
  for (const std::size_t number : search.split.confirming)
    take(search.prompts[number], expected_in_confirmation(contest));
}

}  // namespace

std::function<std::unique_ptr<AnswerScorer>()> judge_opener(const JudgeServerOptions& options,
                                                            const std::filesystem::path& run) {
  return [options, run] {
    AnswerJudge judge;
    judge.model = std::make_unique<ServedChatModel>(options.server());
    judge.prompt_template = judge_template();
    judge.cache =
        options.cache.empty() ? run / "replies.jsonl" : std::filesystem::path(options.cache);
    judge.options = options.judge_options();
    return judge_scorer(posix_filesystem(), std::move(judge));
  };
}

std::string judge_costs(const JudgeServerOptions& options, const LiveSearch& search) {
  constexpr std::uint64_t kBytesOfToken = 4;
  const std::uint64_t most = search.live.answer.stop.max_tokens.value();
  // An answer is taken to be a quarter as long as it may be.
  const auto answer = ForecastLength::unwritten(most, kBytesOfToken * most / 4);
  double answers = 0;
  for_each_prompt(search, [&](const Prompt&, ExpectedAnswers expected) {
    answers += search.live.samples * (expected.likely + 1);  // with those that others are held to
  });
  const double share = share_within_budget(search, answers, static_cast<double>(most) / 4);
  const JudgeTemplate prompt_template(posix_filesystem(), judge_template());
  CostForecast forecast(prompt_template, options.judge_options());
  for_each_prompt(search, [&](const Prompt& prompt, ExpectedAnswers expected) {
    forecast.add(judged_instruction(prompt), answer, answer,
                 share * search.live.samples * expected.likely,
                 search.live.samples * expected.most);
  });
  return describe(forecast);
}

}  // namespace expo
