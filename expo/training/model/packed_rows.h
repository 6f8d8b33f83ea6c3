#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <vector>

#include "expo/training/data/example.h"

namespace expo {

/// Rows concatenated without padding.
struct PackedRows {
  at::Tensor ids;                     ///< int64 [tokens]
  std::vector<std::int64_t> lengths;  ///< lengths of the rows; each at least 1

  std::int64_t tokens() const { return ids.size(0); }
};

/// The tokens whose probability is to be computed: token ids[i] after the packed token rows[i].
struct Targets {
  at::Tensor rows;  ///< int64 [targets]
  at::Tensor ids;   ///< int64 [targets]

  std::int64_t size() const { return rows.size(0); }
};

/// Packs rows in CPU memory. Throws Error(input) for an id beyond `vocabulary`.
PackedRows pack(std::span<const TokenRow* const> rows, std::int64_t vocabulary);
/// Returns the tokens that count, in the order of the packed rows, without the first of each row;
/// sets `sizes` to their number in each row.
Targets targets_of(std::span<const TokenRow* const> rows, std::vector<std::int64_t>& sizes);

}  // namespace expo
