#pragma once

#include <functional>
#include <string>

namespace expo {

/// A validator for CLI11's check(): returns an error message if the word is not a whole number from
/// 0 to 2⁶⁴ − 1, and an empty string if it is. CLI11 itself reads −1 as 2⁶⁴ − 1 and clamps larger
/// numbers.
std::string is_seed(const std::string& word);

/// A validator for CLI11's check(): refuses what is not a number from `low` to `high`. CLI11's own
/// Range lets NaN through, as it only asks whether a number is too small or too large.
std::function<std::string(const std::string&)> is_number_from(double low, double high);

/// The limits as they stand in the help, "in [low - high]".
std::string limits_text(double low, double high);

}  // namespace expo
