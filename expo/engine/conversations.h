#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "expo/engine/engine.h"

namespace expo {

/// Returns `chat` preceded by a system turn of the text `system`, or unchanged if `system` is empty
/// or it begins with a system turn of its own.
Chat with_system(const Chat& chat, const std::string& system);

/// Which conversations an engine can take.
struct Fitting {
  std::vector<std::size_t> kept;     ///< indices of those that fit
  std::vector<std::string> skipped;  ///< for each of the others, its place and the reason
};

/// Checks before anything runs that the token counts, each with `reserve` more for the tokens to
/// follow, fit into `context` tokens (0: not known). Unless `skip` is set, throws Error(input)
/// naming the place of the first conversation that has no tokens or more than the context holds;
/// throws Error(input) if none is left. Without counts (from an engine that cannot count) all fit.
Fitting choose_fitting(std::span<const Conversation> conversations,
                       const std::optional<std::vector<std::size_t>>& counts, std::size_t context,
                       std::size_t reserve, bool skip);

/// A warning about the skipped conversations, which belong to `rows` rows; empty if there are none.
std::vector<std::string> describe_skipped(const Fitting& fitting, std::size_t rows);

/// A digest "xxh3-64:…" of the ids, messages and variables of the conversations.
std::string digest_of(std::span<const Conversation> conversations);

}  // namespace expo
