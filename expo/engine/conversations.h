#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "expo/engine/engine.h"

namespace expo {

/// `messages` after a system turn of that text; as they are where it is empty, or where they begin
/// with a system turn of their own.
Json with_system(const Json& messages, const std::string& system);

/// Which conversations an engine can take.
struct Fitting {
  std::vector<std::size_t> kept;     ///< indices of those that fit
  std::vector<std::string> skipped;  ///< of each other one, its place and why
};

/// Holds the `counts` of their tokens, each with `reserve` more for what is to follow, to a context
/// (0: not known), before anything runs. Throws Error(input) naming the place of one that has no
/// tokens, or more than the context holds, unless `skip` is set; Error(input) where nothing is
/// left. Without counts (from an engine that cannot tell) all fit.
Fitting choose_fitting(std::span<const Conversation> conversations,
                       const std::optional<std::vector<std::size_t>>& counts, std::size_t context,
                       std::size_t reserve, bool skip);

/// A warning about those that were skipped, which belong to so many rows; nothing where there are
/// none.
std::vector<std::string> describe_skipped(const Fitting& fitting, std::size_t rows);

/// "xxh3-64:…" of everything that the conversations hold.
std::string digest_of(std::span<const Conversation> conversations);

}  // namespace expo
