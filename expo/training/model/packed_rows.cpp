#include "expo/training/model/packed_rows.h"

#include <fmt/format.h>

#include "expo/core/error.h"

namespace expo {
namespace {

at::Tensor tensor_of(const std::vector<std::int64_t>& values) {
  const at::Tensor result = at::empty({static_cast<std::int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), result.mutable_data_ptr<std::int64_t>());
  return result;
}

}  // namespace

PackedRows pack(std::span<const TokenRow* const> rows, std::int64_t vocabulary) {
  PackedRows packed;
  std::vector<std::int64_t> ids;
  for (const TokenRow* row : rows) {
    for (const TokenId id : row->ids) {
      if (id >= vocabulary) {
        throw input_error(fmt::format(
            "the token id {} is outside the model's vocabulary of {}; the tokenizer belongs to "
            "another model",
            id, vocabulary));
      }
      ids.push_back(id);
    }
    packed.lengths.push_back(static_cast<std::int64_t>(row->ids.size()));
  }
  packed.ids = tensor_of(ids);
  return packed;
}

Targets targets_of(std::span<const TokenRow* const> rows, std::vector<std::int64_t>& sizes) {
  std::vector<std::int64_t> places;
  std::vector<std::int64_t> ids;
  std::int64_t start = 0;
  sizes.clear();
  for (const TokenRow* row : rows) {
    const std::size_t before = places.size();
    for (std::size_t i = 1; i < row->ids.size(); ++i) {
      if (!row->counts[i]) continue;
      places.push_back(start + static_cast<std::int64_t>(i) - 1);
      ids.push_back(row->ids[i]);
    }
    sizes.push_back(static_cast<std::int64_t>(places.size() - before));
    start += static_cast<std::int64_t>(row->ids.size());
  }
  return {tensor_of(places), tensor_of(ids)};
}

}  // namespace expo
