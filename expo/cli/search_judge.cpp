#include "expo/cli/search_judge.h"

#include "expo/cli/options/data_folder.h"
#include "expo/evaluation/judge/served/served_chat_model.h"
#include "expo/search/live/judge_scorer.h"

namespace expo {

std::function<std::unique_ptr<AnswerScorer>()> judge_opener(const JudgeServerOptions& options,
                                                            const std::filesystem::path& run) {
  return [options, run] {
    AnswerJudge judge;
    judge.model = std::make_unique<ServedChatModel>(options.server());
    judge.prompt_template = shipped_data_folder("judge") / "alpaca_eval_clf.prompt";
    judge.cache =
        options.cache.empty() ? run / "replies.jsonl" : std::filesystem::path(options.cache);
    judge.options = options.judge_options();
    return judge_scorer(posix_filesystem(), std::move(judge));
  };
}

}  // namespace expo
