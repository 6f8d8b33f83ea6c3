#include "expo/training/loss/metric_sums.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace expo {

MetricSums::MetricSums(std::span<const std::string_view> names)
    : names_(names), sums_(names.size()), added_(names.size()) {}

void MetricSums::add(std::string_view name, double value) {
  const auto found = std::ranges::find(names_, name);
  if (found == names_.end())
    throw std::logic_error(fmt::format("an objective adds the undeclared metric \"{}\"", name));
  const auto place = static_cast<std::size_t>(found - names_.begin());
  if (added_[place])
    throw std::logic_error(fmt::format("an objective adds the metric \"{}\" twice", name));
  added_[place] = true;
  sums_[place] += value;
}

void MetricSums::end_example() {
  const auto missing = std::ranges::find(added_, false);
  if (missing != added_.end()) {
    throw std::logic_error(fmt::format("an objective does not add its metric \"{}\"",
                                       names_[static_cast<std::size_t>(missing - added_.begin())]));
  }
  added_.assign(added_.size(), false);
}

}  // namespace expo
