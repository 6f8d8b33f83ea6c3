#pragma once

#include <string>

namespace expo {

/// For CLI11's check(): the complaint about a word that is not a whole number from 0 to 2⁶⁴ − 1,
/// empty for one that is. CLI11 itself takes −1 for 2⁶⁴ − 1 and clamps what is larger.
std::string is_seed(const std::string& word);

}  // namespace expo
