#include "expo/search/source/truth.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "expo/core/error.h"
#include "expo/search/source/alpha_place.h"

namespace expo {
namespace {

/// Straight lines between points on the logarithmic scale, smoothed by nothing: a cliff stays one.
class Polyline final : public Truth {
 public:
  struct Point {
    double alpha;
    double mean;
  };
  explicit Polyline(std::vector<Point> points) : points_(std::move(points)) {}

  double mean(double alpha) const override {
    const double place = log_place(alpha);
    const auto right = std::find_if(points_.begin(), points_.end(), [&](const Point& point) {
      return log_place(point.alpha) >= place;
    });
    if (right == points_.begin()) return right->mean;
    if (right == points_.end()) return points_.back().mean;
    const Point& left = *(right - 1);
    const double start = log_place(left.alpha);
    const double share = (place - start) / (log_place(right->alpha) - start);
    return left.mean + share * (right->mean - left.mean);
  }

 private:
  std::vector<Point> points_;
};

/// A sum of bumps on the logarithmic scale over a level, with the step from −1 to 0 before it.
class Bumps final : public Truth {
 public:
  struct Bump {
    double alpha;
    double height;
    double width;
  };
  Bumps(std::vector<Bump> bumps, double fall_from, double fall)
      : bumps_(std::move(bumps)), fall_from_(log_place(fall_from)), fall_(fall) {}

  double mean(double alpha) const override {
    constexpr double kSft = 0.32;
    constexpr double kAligned = 0.48;
    if (alpha < 0) return kAligned + std::max(-1.0, alpha) * (kAligned - kSft);
    const double place = log_place(alpha);
    const double rise = value_at(place) - value_at(0);
    return std::clamp(kAligned + rise, 0.02, 0.98);
  }

 private:
  double value_at(double place) const {
    double value = 0;
    for (const Bump& bump : bumps_) {
      const double distance = (place - log_place(bump.alpha)) / bump.width;
      value += bump.height * std::exp(-distance * distance / 2);
    }
    const double beyond = std::max(0.0, place - fall_from_);
    return value - fall_ * beyond * beyond;
  }

  std::vector<Bump> bumps_;
  double fall_from_;
  double fall_;
};

constexpr double kNever = 1e9;

struct Named {
  std::string_view name;
  const Truth& truth;
};

const std::array<Named, 8>& shapes() {
  static const Bumps one_peak({{2, 0.1, 1.2}}, 2, 0.035);
  static const Bumps two_peaks({{0.3, 0.075, 0.5}, {8, 0.1, 0.5}}, 12, 0.1);
  static const Polyline flat({{-1, 0.32}, {0, 0.48}, {25, 0.48}});
  static const Polyline falling({{-1, 0.32}, {0, 0.48}, {0.1, 0.475}, {1, 0.42}, {25, 0.1}});
  static const Polyline cliff(
      {{-1, 0.32}, {0, 0.48}, {0.5, 0.52}, {4, 0.57}, {4.5, 0.06}, {25, 0.02}});
  static const Bumps early({{0.1, 0.11, 0.5}}, 0.3, 0.02);
  static const Bumps late({{25, 0.11, 1.0}}, kNever, 0);
  static const Bumps between({{2.8, 0.11, 0.45}}, 6, 0.03);
  static const std::array<Named, 8> all{{{"one-peak", one_peak},
                                         {"two-peaks", two_peaks},
                                         {"flat", flat},
                                         {"falling", falling},
                                         {"cliff", cliff},
                                         {"peak-at-0.1", early},
                                         {"peak-at-25", late},
                                         {"between", between}}};
  return all;
}

}  // namespace

double Truth::best(double most) const {
  double best = mean(0);
  constexpr double kStep = 0.01;
  const double end = log_place(most);
  for (double place = 0; place < end; place += kStep) best = std::max(best, mean(alpha_at(place)));
  return std::max(best, mean(most));
}

const Truth& truth_named(std::string_view name) {
  for (const Named& each : shapes()) {
    if (each.name == name) return each.truth;
  }
  throw usage_error(fmt::format("no simulated truth is named '{}'; there are {}", name,
                                fmt::join(truth_names(), ", ")));
}

std::vector<std::string_view> truth_names() {
  std::vector<std::string_view> names;
  for (const Named& each : shapes()) names.push_back(each.name);
  return names;
}

}  // namespace expo
