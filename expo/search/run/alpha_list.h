#pragma once

#include <string>
#include <vector>

namespace expo {

/// The α of a search without --alphas: −1 (SFT, the control), 0 (ALIGNED, the baseline), and a
/// roughly logarithmic grid to 25, the largest that the paper's authors used.
std::vector<double> default_alphas();

/// Reads "0.1,0.3,0.5" and adds −1 and 0, which every search compares; ascending. Throws
/// Error(usage) for what is not a list of numbers from 0 to 1000 (or −1), an α that stands there
/// twice, and a list without an α above 0.
std::vector<double> parse_alphas(const std::string& list);

}  // namespace expo
