#pragma once

#include "expo/served/dialect.h"

namespace expo {

/// What the server tells of itself now, through `client`.
ServerFacts facts_of(HttpClient& client, const CancellationToken& cancellation);

/// Throws Error(input) if the server has another model now than `known`: one of another name, from
/// another place, with other LoRA adapters, or in another version of the server.
void require_same_model(const Dialect& dialect, const ServedModel& known, const ServerFacts& facts);

}  // namespace expo
