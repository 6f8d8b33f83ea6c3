#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace expo {

/// Which sequences go through the model together, packed without padding: longest first (equals in
/// their order), each chunk of at most `token_budget` tokens, but for a sequence that is longer
/// alone, which has a chunk to itself. `lengths` are in tokens; the results are indices into them.
std::vector<std::vector<std::size_t>> packed_chunks(std::span<const std::size_t> lengths,
                                                    std::size_t token_budget);

}  // namespace expo
