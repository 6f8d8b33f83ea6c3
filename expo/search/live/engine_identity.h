#pragma once

#include "expo/core/json.h"
#include "expo/core/progress.h"
#include "expo/engine/engine.h"

namespace expo {

/// What an engine's results depend on, wherever its weights are moved to: its identity without α,
/// and its models' digests. May take as long as reading the models' files.
Json identity_with_digests(const Engine& engine, const CancellationToken& cancellation);

}  // namespace expo
