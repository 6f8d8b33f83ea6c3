#pragma once

#include <filesystem>
#include <memory>

#include "expo/core/disk/filesystem.h"
#include "expo/evaluation/judge/judge.h"
#include "expo/search/live/answer_scorer.h"

namespace expo {

/// What a judge reads as the instruction: the user's text, or all turns where there are several.
std::string judged_instruction(const Prompt& prompt);

/// A judge, and how it is asked about answers.
struct AnswerJudge {
  std::unique_ptr<ChatModel> model;
  std::filesystem::path prompt_template;  ///< JudgeTemplate's
  std::filesystem::path cache;            ///< of its replies; opened when it is first asked
  JudgeOptions options;
};

/// Has a judge compare answers with the baseline's to the same prompts, as AlpacaEval does: the
/// score is the preference from 0 (the baseline wins) to 1, and ½ for equal answers, so that the
/// mean score is the win rate. The budget is that of the scorer's whole life. score() throws
/// Error(environment), naming the prompt, for an answer that the judge has no preference about,
/// after all others were passed on. `filesystem` must outlive it.
std::unique_ptr<AnswerScorer> judge_scorer(Filesystem& filesystem, AnswerJudge judge);

}  // namespace expo
