#include "expo/training/data/example.h"

namespace expo {

std::int64_t Example::tokens() const {
  std::int64_t total = 0;
  for (const TokenRow& row : rows) total += static_cast<std::int64_t>(row.ids.size());
  return total;
}

}  // namespace expo
