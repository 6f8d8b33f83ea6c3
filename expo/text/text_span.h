#pragma once

#include <cstddef>

namespace expo {

/// A part of a text: [begin, end), counted in characters (Unicode code points), as Python counts
/// them.
struct TextSpan {
  std::size_t begin = 0;
  std::size_t end = 0;

  bool operator==(const TextSpan&) const = default;
};

}  // namespace expo
