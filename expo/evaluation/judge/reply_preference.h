#pragma once

#include <optional>
#include <string>

#include "expo/evaluation/judge/chat_model.h"

namespace expo {

/// What a judge's answer says of the baseline and the model.
struct Verdict {
  /// From 1 (the baseline wins) to 2 (the model wins).
  std::optional<double> preference = {};
  std::string failure = {};  ///< why there is none, as a clause
};

/// The preference in an answer that was asked for one token, as alpaca_eval's logprob_parser
/// computes it: 2 − P(m) / (P(m) + P(M)), where a letter that is not among those that were weighed
/// has probability 0. `switched`: m stands for the model's answer, and not for the baseline's.
/// There is none if the answer is not one token, if neither letter was weighed, or if the numbers
/// give none.
Verdict preference_of_reply(const ChatReply& reply, bool switched);

}  // namespace expo
