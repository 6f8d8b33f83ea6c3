#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace expo {

/// Groups sequences that go through the model together, packed without padding. They are taken
/// longest first (equal lengths in their order); each chunk has at most `token_budget` tokens,
/// except that a sequence which is longer by itself has a chunk of its own. `lengths` are in
/// tokens; the results are indices into them.
std::vector<std::vector<std::size_t>> packed_chunks(std::span<const std::size_t> lengths,
                                                    std::size_t token_budget);

}  // namespace expo
