#pragma once

#include "expo/core/json.h"
#include "expo/evaluation/judge/chat_model.h"

namespace expo {

/// The columns that AlpacaEval keeps beside a preference: {"preference_raw_completion": …}, the
/// answer as OpenAI's API gives it, from which alpaca_eval can compute the preference again. The
/// prompt's order of the answers is that of the letters in it.
Json reply_details(const ChatReply& reply);

}  // namespace expo
