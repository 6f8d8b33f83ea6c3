#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <vector>

#include "expo/training/data/example.h"

namespace expo {

/// Rows one after the other, without padding.
struct PackedRows {
  at::Tensor ids;                     ///< int64 [tokens]
  std::vector<std::int64_t> lengths;  ///< of the rows; each at least 1

  std::int64_t tokens() const { return ids.size(0); }
};

/// Tokens whose probability is asked for: token ids[i] after the packed token rows[i].
struct Targets {
  at::Tensor rows;  ///< int64 [targets]
  at::Tensor ids;   ///< int64 [targets]

  std::int64_t size() const { return rows.size(0); }
};

/// In ordinary memory. Throws Error(input) for an id beyond `vocabulary`.
PackedRows pack(std::span<const TokenRow* const> rows, std::int64_t vocabulary);
/// The tokens that count, in the order of the packed rows, without the first of each row. `sizes`
/// gets how many each row has.
Targets targets_of(std::span<const TokenRow* const> rows, std::vector<std::int64_t>& sizes);

}  // namespace expo
