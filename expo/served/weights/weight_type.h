#pragma once

#include <optional>

#include "expo/core/dtype.h"
#include "expo/core/progress.h"
#include "expo/engine/engine_spec.h"
#include "expo/served/dialect.h"

namespace expo {

/// The type in which a server holds its weights: what it says, or what the user says where it says
/// nothing. Throws Error(usage) if neither does, or if they differ.
DType served_weight_type(const ServerFacts& facts, const Dialect& dialect,
                         std::optional<DType> named);

/// The type in which the servers of a spec with a pair hold their weights, by the first that
/// answers. Throws Error(usage) if it is not known, or not the one that the pair names, and what
/// HttpClient throws.
DType ask_weight_type(const ServedSpec& spec, const CancellationToken& cancellation);

}  // namespace expo
