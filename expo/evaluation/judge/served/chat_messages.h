#pragma once

#include <string>

#include "expo/core/json.h"
#include "expo/engine/engine_spec.h"
#include "expo/evaluation/judge/chat_model.h"

namespace expo {

/// What asks a server for one chat's answer with top_logprobs, by /v1/chat/completions. Every
/// sampling option that the kind of server has is in it, so that no default of the server decides.
/// `limit` is the name of the limit of an answer's tokens: "max_tokens", or as OpenAI renamed it
/// "max_completion_tokens".
Json chat_body(ServerKind kind, const ChatSampling& sampling, const Json& messages,
               const std::string& limit);

/// Reads the answer to that, with the top_logprobs most likely tokens in each place. One of another
/// shape is a reply with a failure, and with what the server counted as its cost if it says that.
/// Log-probabilities of the answer's own tokens alone are none: a preference needs those of both
/// letters.
ChatReply read_chat_reply(const Json& answer, const ChatSampling& sampling);

}  // namespace expo
