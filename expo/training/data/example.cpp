#include "expo/training/data/example.h"

#include <algorithm>

namespace expo {
namespace {

struct OwnedRow {
  std::vector<TokenId> ids;
  std::unique_ptr<bool[]> counts;
};

}  // namespace

TokenRow token_row(std::vector<TokenId> ids, const std::vector<bool>& counts) {
  auto owner = std::make_shared<OwnedRow>();
  owner->ids = std::move(ids);
  owner->counts = std::make_unique<bool[]>(counts.size());
  std::ranges::copy(counts, owner->counts.get());
  return {owner->ids, {owner->counts.get(), counts.size()}, owner};
}

std::int64_t Example::tokens() const {
  std::int64_t total = 0;
  for (const TokenRow& row : rows) total += static_cast<std::int64_t>(row.ids.size());
  return total;
}

}  // namespace expo
