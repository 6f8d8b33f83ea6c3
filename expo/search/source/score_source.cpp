#include "expo/search/source/score_source.h"

#include <fmt/format.h>

namespace expo {

std::string label_of(double alpha) {
  return fmt::format("α = {}", alpha);
}

}  // namespace expo
