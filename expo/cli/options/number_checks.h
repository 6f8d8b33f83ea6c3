#pragma once

#include <string>

namespace expo {

/// A validator for CLI11's check(): returns an error message if the word is not a whole number from
/// 0 to 2⁶⁴ − 1, and an empty string if it is. CLI11 itself reads −1 as 2⁶⁴ − 1 and clamps larger
/// numbers.
std::string is_seed(const std::string& word);

}  // namespace expo
