#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/json.h"
#include "expo/core/progress.h"
#include "expo/evaluation/judge/answer_pairs.h"
#include "expo/evaluation/judge/chat_model.h"
#include "expo/evaluation/judge/judge_cache.h"
#include "expo/evaluation/judge/judge_costs.h"
#include "expo/evaluation/judge/judge_prompt.h"
#include "expo/evaluation/judge/known_annotations.h"

namespace expo {

/// AlpacaEval's name of the annotator that asks this model by the protocol of
/// weighted_alpaca_eval_gpt4_turbo; it is that name for gpt-4-1106-preview only.
std::string annotator_name(const std::string& model);

/// How a judge is asked.
struct JudgeOptions {
  ChatSampling sampling;  ///< the model has to be set
  /// Of the order in which the two answers are shown; alpaca_eval's is 0.
  std::uint64_t order_seed = 0;
  std::uint64_t replicate = 0;  ///< numbers independent annotations of the same answers
  std::uint64_t attempts = 3;   ///< most requests for a row, where replies give no preference
  std::optional<TokenPrices> prices = {};
  std::optional<double> budget = {};  ///< most dollars that may be spent; needs prices
  double spent = 0;                   ///< of the budget, before this run
};

/// Where a preference comes from.
enum class VerdictSource {
  none,          ///< there is none
  same_answers,  ///< a draw, of which no judge is asked, as in AlpacaEval
  annotation,    ///< of an earlier run (KnownAnnotations)
  cache,         ///< a reply that was paid for before
  reply,         ///< the judge was asked
};

/// What a judge says of one pair of answers.
struct JudgedRow {
  std::optional<double> preference = {};  ///< from 1 (the baseline wins) to 2 (the model wins)
  VerdictSource source = VerdictSource::none;
  std::string failure = {};       ///< why there is no preference, as a clause
  Json details = Json::object();  ///< AlpacaEval's further columns, "preference_raw_completion"
  std::string request = {};       ///< request_key() of where the preference comes from, if known
};

/// What a judge would be asked, and what that would cost.
struct JudgeEstimate {
  std::uint64_t requests = 0;
  ChatUsage likely = {};   ///< tokens in all, at four bytes of text each
  ChatUsage largest = {};  ///< no tokenizer that works on bytes makes more of the prompts
  std::optional<double> likely_cost = {};  ///< in dollars; none without prices
  std::optional<double> largest_cost = {};
};

/// What a judge said of all pairs.
struct JudgeResult {
  std::vector<JudgedRow> rows;      ///< one for each pair, in their order
  std::uint64_t requests = 0;       ///< that left in this run, repeated ones included
  ChatUsage usage = {};             ///< as the server counted
  std::optional<double> cost = {};  ///< of this run in dollars at most; none without prices

  std::uint64_t count(VerdictSource source) const;
};

/// Asks a judge which of two answers is better, for each pair, as AlpacaEval's
/// weighted_alpaca_eval_gpt4_turbo does. What is known already is not asked: same answers, earlier
/// annotations, and replies in the cache. An earlier annotation is reused if it comes from the very
/// request that this run would make: the same template, model, sampling, server, order and
/// replicate. One that names no request is taken for alpaca_eval's and reused if this run samples,
/// orders and repeats as alpaca_eval does by default; of its template and server nothing is known.
/// Each reply is in the cache before the next request leaves, so a run that is killed goes on where
/// it was, and ends with the same annotations.
class Judge {
 public:
  /// `origin` is ChatModel::origin() of the model that run() is going to ask. The references must
  /// outlive this object. Throws Error(usage) for a budget without prices.
  Judge(const AnswerPairs& pairs, const JudgeTemplate& prompt, std::string origin,
        JudgeOptions options, const KnownAnnotations& known, JudgeCache& cache);

  JudgeEstimate estimate() const;
  /// Sentences about rows of which the judge is shown something else than the texts, because these
  /// hold marks of its prompt.
  std::vector<std::string> warnings() const;

  /// Asks what is not known. Rows on which the judge fails, and those for which the budget did not
  /// suffice, have a failure in the result. Throws what ChatModel::ask throws, and
  /// Error(environment) if the first replies all come without log-probabilities. Call it once.
  JudgeResult run(ChatModel& model, const CancellationToken& cancellation,
                  RowProgress* progress = nullptr);

 private:
  friend class JudgeExchange;

  JudgePrompt prompt_of(const AnswerPair& pair, bool switched) const;
  ChatRequest request_of(std::uint64_t row) const;
  JudgedRow known_verdict(std::uint64_t row);
  std::optional<JudgedRow> annotated(const AnswerPair& pair, const std::string& key) const;
  void plan();

  const AnswerPairs& pairs_;
  const JudgeTemplate& template_;
  std::string origin_;
  JudgeOptions options_;
  const KnownAnnotations& known_;
  JudgeCache& cache_;

  struct Pending {
    std::uint64_t row = 0;
    std::string key;
  };
  JudgeResult result_;
  std::vector<Pending> pending_;             ///< what has to be asked
  std::vector<std::uint64_t> altered_ = {};  ///< rows that hold marks of the template
};

/// Sentences that name the rows without a preference, the first few one by one, and their number.
std::vector<std::string> failure_warnings(const AnswerPairs& pairs, const JudgeResult& result);

}  // namespace expo
