#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>

#include "expo/evaluation/judge/judge.h"

namespace expo {

/// The requests of a judge that is being run, and what becomes of them.
class JudgeExchange final : public ChatExchange {
 public:
  /// The judge must outlive it, and so must `progress`, which may be nullptr.
  JudgeExchange(Judge& judge, RowProgress* progress);

  /// Asks everything that is pending, and writes what was said into the judge's result.
  void run(ChatModel& model, const CancellationToken& cancellation);

  std::optional<ChatRequest> next() override;
  void take(std::uint64_t id, ChatReply reply) override;

 private:
  struct Attempt {
    const Judge::Pending* pending = nullptr;
    std::uint64_t number = 1;
    double most = 0;  ///< that it can cost
  };

  void begin();
  void end();
  double most_of(const ChatRequest& request) const;
  void settle(const Attempt& attempt, const ChatReply& reply);
  double cost_of(const Attempt& attempt, const ChatReply& reply) const;
  void refuse_judge_without_log_probs(const ChatReply& reply);
  void refuse_judge_that_fails(const ChatReply& reply);
  bool has_verdict() const;
  void keep(const Attempt& attempt, const ChatReply& reply, double preference);
  void retry_or_give_up(Attempt attempt, const ChatReply& reply, const std::string& failure);
  void finish_row();

  Judge& judge_;
  RowProgress* progress_;
  Budget budget_;
  std::deque<Attempt> waiting_;
  std::unordered_map<std::uint64_t, Attempt> under_way_;  ///< by row
  std::uint64_t answers_ = 0;
  std::uint64_t answers_with_log_probs_ = 0;
  std::uint64_t failures_in_a_row_ = 0;  ///< of the server or of all that is asked
  std::uint64_t unsynced_ = 0;
};

}  // namespace expo
