#include "expo/checkpoint/lora/shapes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "expo/core/error.h"

namespace expo {
namespace {

using Shape = std::vector<std::uint64_t>;

/// The model types of transformers whose layers consist of Conv1D.
constexpr std::array<std::string_view, 5> kConv1dModels{"gpt2", "openai-gpt", "imagegpt",
                                                        "decision_transformer", "clvp_decoder"};

bool is_conv1d_model(const Json& config) {
  if (!config.is_object() || !config.contains("model_type")) return false;
  const Json& type = config["model_type"];
  return type.is_string() &&
         std::ranges::find(kConv1dModels, type.get<std::string>()) != kConv1dModels.end();
}

/// Whether a module is in a numbered layer: "transformer.h.0.attn.c_proj", but not "score".
bool is_in_layers(std::string_view module) {
  while (!module.empty()) {
    const std::string_view part = module.substr(0, module.find('.'));
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (!part.empty() && std::ranges::all_of(part, is_digit)) return true;
    module.remove_prefix(std::min(module.size(), part.size() + 1));
  }
  return false;
}

bool is_upright(const Tensor& a, const Tensor& b, const Shape& weight) {
  return weight == Shape{b.shape[0], a.shape[1]};
}
bool is_transposed(const Tensor& a, const Tensor& b, const Shape& weight) {
  return weight == Shape{a.shape[1], b.shape[0]};
}

LoraFactor read_factor(const AdapterWeights& adapter, std::size_t index, std::uint64_t line_stride,
                       std::uint64_t rank_stride) {
  const Tensor& tensor = adapter.tensor(index);
  ReadScratch scratch;
  const auto bytes = adapter.checkpoint->read(index, 0, tensor.elements(), scratch);
  return {{bytes.begin(), bytes.end()}, tensor.dtype, line_stride, rank_stride};
}

class UpdateMaker {
 public:
  UpdateMaker(const AdapterWeights& adapter, const LoraPair& pair, const Tensor& weight)
      : adapter_(adapter),
        pair_(pair),
        weight_(weight),
        a_(adapter.tensor(pair.a)),
        b_(adapter.tensor(pair.b)) {}

  std::shared_ptr<const LoraUpdate> make(const SquareOrientation& squares) const {
    if (!supports_arithmetic(weight_.dtype)) {
      refuse(fmt::format(
          "adapts the base's \"{}\", which is {}, but arithmetic is not supported on that "
          "type",
          weight_.name, weight_.stored));
    }
    if (pair_.is_embedding) return embedding();
    if (weight_.shape.size() > 2) return convolution();
    if (a_.shape.size() != 2 || b_.shape.size() != 2) refuse_shapes("");
    const bool upright = is_upright(a_, b_, weight_.shape);
    const bool turned = is_transposed(a_, b_, weight_.shape);
    if (!upright && !turned) refuse_shapes("");
    if (upright && turned) return squares.transposed(pair_) ? transposed() : straight();
    return upright ? straight() : transposed();
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) const {
    throw input_error(fmt::format("{}: the tensor \"{}\" {}", adapter_.where(), a_.name, reason));
  }

  [[noreturn]] void refuse_shapes(const std::string& hint) const {
    refuse(
        fmt::format("has the shape {} and its B {}, which do not make an update of the base's "
                    "\"{}\" of shape {}{}; the adapter belongs to another model",
                    format_shape(a_.shape), format_shape(b_.shape), weight_.name,
                    format_shape(weight_.shape), hint));
  }

  std::shared_ptr<const LoraUpdate> embedding() const {
    if (a_.shape.size() != 2 || b_.shape.size() != 2 || !is_transposed(a_, b_, weight_.shape)) {
      refuse_shapes(" (an embedding)");
    }
    return transposed();
  }

  std::shared_ptr<const LoraUpdate> convolution() const {
    const auto one = [](std::uint64_t size) { return size == 1; };
    const bool pointwise = std::all_of(b_.shape.begin() + 2, b_.shape.end(), one);
    if (b_.shape[0] != weight_.shape[0] || !pointwise || a_.shape.size() != weight_.shape.size() ||
        !std::equal(a_.shape.begin() + 1, a_.shape.end(), weight_.shape.begin() + 1)) {
      refuse_shapes(" (convolutions in groups cannot be merged)");
    }
    return straight();
  }

  std::uint64_t rank() const { return a_.shape[0]; }

  /// B·A
  std::shared_ptr<const LoraUpdate> straight() const {
    const std::uint64_t columns = a_.elements() / rank();
    return finish(read_factor(adapter_, pair_.b, rank(), 1),
                  read_factor(adapter_, pair_.a, 1, columns), columns);
  }

  /// (B·A)ᵀ = Aᵀ·Bᵀ
  std::shared_ptr<const LoraUpdate> transposed() const {
    return finish(read_factor(adapter_, pair_.a, 1, a_.shape[1]),
                  read_factor(adapter_, pair_.b, rank(), 1), b_.shape[0]);
  }

  std::shared_ptr<const LoraUpdate> finish(LoraFactor left, LoraFactor right,
                                           std::uint64_t columns) const {
    return std::make_shared<LoraUpdate>(std::move(left), std::move(right), weight_.shape[0],
                                        columns, rank(), adapter_.config.scale_of(pair_.module));
  }

  const AdapterWeights& adapter_;
  const LoraPair& pair_;
  const Tensor& weight_;
  const Tensor& a_;
  const Tensor& b_;
};

}  // namespace

std::shared_ptr<const LoraUpdate> make_update(const AdapterWeights& adapter, const LoraPair& pair,
                                              const Tensor& weight,
                                              const SquareOrientation& squares) {
  return UpdateMaker(adapter, pair, weight).make(squares);
}

SquareOrientation::SquareOrientation(const AdapterWeights& adapter, const Checkpoint& base,
                                     const std::function<std::size_t(const LoraPair&)>& original)
    : adapter_(adapter), conv1d_model_(is_conv1d_model(base.config())) {
  for (const LoraPair& pair : adapter.pairs) {
    const Shape& weight = base.tensors()[original(pair)].shape;
    if (pair.is_embedding || weight.size() != 2 || weight[0] == weight[1]) continue;
    if (!is_in_layers(pair.module)) continue;
    const Tensor& a = adapter.tensor(pair.a);
    const Tensor& b = adapter.tensor(pair.b);
    if (is_upright(a, b, weight)) some_upright_ = true;
    if (is_transposed(a, b, weight)) some_transposed_ = true;
  }
}

bool SquareOrientation::transposed(const LoraPair& pair) const {
  if (!is_in_layers(pair.module)) return !conv1d_model_ && adapter_.config.fan_in_fan_out;
  if (some_upright_ && some_transposed_) {
    throw input_error(
        fmt::format("{}: the tensor \"{}\" adapts a square weight, but whether that is (out, in) "
                    "or (in, out) is unclear, because the other adapted weights are of both kinds; "
                    "merge the adapter with PEFT and use the merged model",
                    adapter_.where(), adapter_.tensor(pair.a).name));
  }
  if (some_upright_ || some_transposed_) return some_transposed_;
  return conv1d_model_ || adapter_.config.fan_in_fan_out;
}

}  // namespace expo
