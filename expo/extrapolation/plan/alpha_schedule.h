#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace expo {

/// The α of every tensor: one number or a gradient over the depth, which rules override; the last
/// rule that matches wins. Thread-safe once the rules are added.
class AlphaSchedule {
 public:
  /// One α for all tensors. Throws Error(usage) unless it is finite.
  explicit AlphaSchedule(double alpha);

  /// α varies over the depth: `points` are spread evenly from the first layer to the last, and
  /// interpolated linearly (as in mergekit, the only layer of a one-layer model takes the last).
  /// Tensors before the layers (embeddings) take the first, those after them (final norm, head) the
  /// last. The layer of a tensor is the first number in its name between dots
  /// ("model.layers.12.mlp…"). Tensors without a layer number are "before" when their name contains
  /// "embed", "wte" or "wpe". With `outside_layers`, all tensors without a layer number take that
  /// value. Throws Error(usage) if there are no points or one is not finite.
  static AlphaSchedule gradient(std::vector<double> points,
                                std::optional<double> outside_layers = std::nullopt);

  /// Tensors whose name contains a match of the ECMAScript `regex` take `alpha`. Later rules win.
  /// Throws Error(usage) for an invalid expression, for one of more than 1000 characters or with a
  /// number of more than six digits, and for an alpha that is not finite.
  void add_rule(const std::string& regex, double alpha);
  void add_rule(const std::string& regex, std::vector<double> gradient_points,
                std::optional<double> outside_layers = std::nullopt);

  /// The α of a tensor; `layers` is the number of layers of the model (highest layer number + 1; at
  /// least 1). Throws Error(input) if a rule would have to be matched against a name of more than
  /// 1024 bytes.
  double alpha_for(std::string_view tensor, unsigned layers) const;

  /// The single α if there is one and there are no rules; else std::nullopt.
  std::optional<double> uniform() const;
  /// Describes the schedule for the record: `0.3`, or `[0.1, 0.5] over the depth, then
  /// layers\.1\.=0.5`.
  std::string description() const;

  /// The rules that match none of `tensors`, for a warning.
  std::vector<std::string> unmatched_rules(const std::vector<std::string>& tensors) const;

 private:
  struct Rule;
  /// One number, or a gradient.
  struct Values {
    std::vector<double> points;
    std::optional<double> outside_layers;
  };
  AlphaSchedule() = default;
  static double value_for(const Values& values, std::string_view tensor, unsigned layers);
  static std::string describe(const Values& values);

  Values values_;
  std::vector<std::shared_ptr<const Rule>> rules_;
};

/// The layer number in a tensor's name: the first component of at most six digits that is neither
/// the name's first nor its last; std::nullopt if there is none.
std::optional<unsigned> layer_of(std::string_view tensor);

/// Returns α = 1/γ − 1 (equation 1 of the paper). Throws Error(usage) unless γ and α are finite.
double alpha_from_gamma(double gamma);

}  // namespace expo
