#pragma once

#include <algorithm>
#include <cstdint>

namespace expo {

/// The shares of a budget that a search for modules ends its stages at. A stage that spends less
/// leaves the rest to those after it.
inline constexpr double kUniformEnd = 1.0 / 3;                   ///< the uniform α is chosen
inline constexpr double kUniformTested = kUniformEnd + 1.0 / 4;  ///< and compared with α = 0
inline constexpr double kModulesEnd = kUniformTested + 1.0 / 3;  ///< the modules are chosen

/// What is left of the budget until the end of a stage.
inline std::uint64_t left_until(double end, std::uint64_t budget, std::uint64_t spent) {
  const auto bound = static_cast<std::uint64_t>(end * static_cast<double>(budget));
  return bound - std::min(bound, spent);
}

}  // namespace expo
