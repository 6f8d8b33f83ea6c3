#include "expo/search/run/alpha_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {
namespace {

constexpr double kLargest = 1000;

double parse_alpha(std::string_view word) {
  const std::string_view digits = word.starts_with('+') ? word.substr(1) : word;
  double alpha = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), alpha);
  const bool is_number = error == std::errc() && end == digits.data() + digits.size();
  if (!is_number || !((alpha >= 0 && alpha <= kLargest) || alpha == -1)) {
    throw usage_error(
        fmt::format("--alphas: '{}' is not an α to search; expected numbers from 0 to {:g}, "
                    "separated by commas, as in 0.1,0.3,0.5",
                    on_one_line(word), kLargest));
  }
  return alpha + 0.0;  // −0 is 0
}

}  // namespace

std::vector<double> default_alphas() {
  return {-1, 0, 0.1, 0.2, 0.35, 0.7, 1, 2, 4, 8, 16, 25};
}

std::vector<double> parse_alphas(const std::string& list) {
  std::vector<double> alphas;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t comma = std::min(list.find(',', begin), list.size());
    const double alpha = parse_alpha(trimmed(std::string_view(list).substr(begin, comma - begin)));
    if (std::find(alphas.begin(), alphas.end(), alpha) != alphas.end())
      throw usage_error(fmt::format("--alphas: {:g} stands there twice; name each α once", alpha));
    alphas.push_back(alpha);
    begin = comma + 1;
  }
  if (std::none_of(alphas.begin(), alphas.end(), [](double alpha) { return alpha > 0; })) {
    throw usage_error(
        "--alphas: there is no α above 0 to search, as -1 and 0 are SFT and ALIGNED themselves; "
        "expected numbers such as 0.1,0.3,0.5");
  }
  for (const double always : {-1.0, 0.0}) {
    if (std::find(alphas.begin(), alphas.end(), always) == alphas.end()) alphas.push_back(always);
  }
  std::sort(alphas.begin(), alphas.end());
  return alphas;
}

}  // namespace expo
