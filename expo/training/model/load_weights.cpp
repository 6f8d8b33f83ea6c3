#include "expo/training/model/load_weights.h"

#include <ATen/core/grad_mode.h>

#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "expo/core/error.h"
#include "expo/core/philox.h"
#include "expo/model/wanted_tensors.h"
#include "expo/training/model/tensor_writer.h"

namespace expo {
namespace {

constexpr std::uint64_t kBlock = std::uint64_t{1} << 22;  // elements read at once
constexpr std::uint64_t kHeadStream = std::uint64_t{1} << 62;
constexpr double kHeadDeviation = 0.02;  // transformers' initializer_range

/// The Box–Muller transform of two uniform draws.
void draw_head(const at::Tensor& head, std::uint64_t seed) {
  const RandomStream random(seed, kHeadStream);
  const at::Tensor drawn = at::empty(head.sizes(), at::kFloat);
  auto* values = drawn.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < drawn.numel(); ++i) {
    const auto place = static_cast<std::uint64_t>(2 * i);
    const double radius = std::sqrt(-2 * std::log1p(-random.unit_interval(place)));
    const double angle = 2 * std::numbers::pi * random.unit_interval(place + 1);
    values[i] = static_cast<float>(kHeadDeviation * radius * std::cos(angle));
  }
  head.copy_(drawn);
}

}  // namespace

Bf16Fit copy_values(const Checkpoint& checkpoint, std::size_t index, const at::Tensor& target,
                    const CancellationToken& cancellation) {
  const Tensor& tensor = checkpoint.tensors()[index];
  const at::Tensor flat = target.view({-1});
  ReadScratch scratch;
  Bf16Fit fit;
  for (std::uint64_t first = 0; first < tensor.elements(); first += kBlock) {
    cancellation.check();
    const std::uint64_t count = std::min(kBlock, tensor.elements() - first);
    const auto bytes = checkpoint.read(index, first, count, scratch);
    // from_blob requires a non-const pointer, but nothing writes here.
    const at::Tensor block =
        at::from_blob(const_cast<std::byte*>(bytes.data()), {static_cast<std::int64_t>(count)},
                      scalar_type_of(tensor.dtype));
    flat.narrow(0, static_cast<std::int64_t>(first), static_cast<std::int64_t>(count)).copy_(block);
    fit += measure_bf16_fit(block);
  }
  return fit;
}

Bf16Fit load_weights(const Checkpoint& checkpoint, std::uint64_t seed,
                     const CancellationToken& cancellation, TrainableModel& model) {
  const at::NoGradGuard no_gradients;
  Bf16Fit fit;
  for (const Tensor& tensor : checkpoint.tensors()) {
    if (model.named.contains(tensor.name) || is_spare(tensor.name, model.architecture)) continue;
    throw input_error(fmt::format(
        "{}: the tensor \"{}\" has no place in config.json's architecture ({}), so the model would "
        "be trained as a different one",
        checkpoint.location(), tensor.name, model.architecture.model_type));
  }
  for (const auto& [name, target] : model.named) {
    // A language model has no such head yet.
    if (name == "score.weight" && !checkpoint.find(name)) {
      draw_head(target, seed);
    } else {
      const std::size_t index = require_tensor(checkpoint, name, target, model.architecture);
      fit += copy_values(checkpoint, index, target, cancellation);
    }
  }
  model.parameters.refresh();
  return fit;
}

}  // namespace expo
