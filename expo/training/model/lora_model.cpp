#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "expo/core/error.h"
#include "expo/core/philox.h"
#include "expo/training/model/lora_model.h"
#include "expo/training/model/lora_targets.h"
#include "expo/training/model/trainable_model.h"

namespace expo {
namespace {

struct Module {
  const char* name;
  const char* parent;
  LayerProduct product;
};

constexpr Module kModules[] = {
    {"q_proj", "self_attn.", LayerProduct::qkv},  {"k_proj", "self_attn.", LayerProduct::qkv},
    {"v_proj", "self_attn.", LayerProduct::qkv},  {"o_proj", "self_attn.", LayerProduct::output},
    {"gate_proj", "mlp.", LayerProduct::gate_up}, {"up_proj", "mlp.", LayerProduct::gate_up},
    {"down_proj", "mlp.", LayerProduct::down},
};

class LoraModel {
 public:
  LoraModel(const Architecture& architecture, at::ScalarType compute, const LoraSpec& spec,
            at::Device device)
      : spec_(spec), targets_(choose_lora_targets(spec, architecture)) {
    model_.architecture = architecture;
    model_.compute = compute;
    model_.weights = allocate_weights(architecture, at::TensorOptions(device).dtype(compute));
    model_.named = model_.weights.named;
    model_.embedding = model_.weights.embedding;
    model_.head = {std::exchange(model_.weights.head, {}), {}, {}};
    model_.adapter_scale = spec.scale();
    model_.adapter_dropout = spec.dropout;
  }

  TrainableModel run(std::int64_t multiple, std::uint64_t seed) {
    for (std::size_t i = 0; i < model_.weights.layers.size(); ++i) add_layer(i);
    if (model_.architecture.head == ModelHead::score) {
      specs_.push_back({"base_model.model.score.weight",
                        {model_.architecture.labels, model_.architecture.hidden},
                        true,
                        false});
    }
    model_.parameters = ParameterSet(specs_, true, multiple, model_.device());
    draw(seed);
    model_.dropout_seed = seed;
    if (model_.architecture.head == ModelHead::score) train_head();
    return std::move(model_);
  }

 private:
  void add_layer(std::size_t index) {
    LayerAdapters layer;
    for (const Module& module : kModules) {
      const std::string name =
          fmt::format("model.layers.{}.{}{}", index, module.parent, module.name);
      const at::Tensor& weight = model_.named.at(name + ".weight");
      LoraAdapter adapter{name, weight.size(0), 0, 0, false};
      if (targets_.contains(name)) {
        adapter.trained = true;
        adapter.a = add(name + ".lora_A.weight", {spec_.rank, weight.size(1)});
        adapter.b = add(name + ".lora_B.weight", {weight.size(0), spec_.rank});
      }
      layer[static_cast<std::size_t>(module.product)].push_back(adapter);
    }
    for (auto& product : layer) {
      if (std::ranges::none_of(product, &LoraAdapter::trained)) product.clear();
    }
    model_.adapters.push_back(std::move(layer));
    const LayerWeights& weights = model_.weights.layers[index];
    model_.products.push_back({{{weights.qkv, {}, {}},
                                {weights.output, {}, {}},
                                {weights.gate_up, {}, {}},
                                {weights.down, {}, {}}}});
  }

  std::size_t add(const std::string& name, std::vector<std::int64_t> shape) {
    specs_.push_back({"base_model.model." + name, std::move(shape), true, false});
    return specs_.size() - 1;
  }

  /// Draws uniformly within ±1/√in, which is Kaiming-uniform with a = √5.
  void draw(std::uint64_t seed) {
    std::uint64_t stream = 0;
    for (Parameter& parameter : model_.parameters.all()) {
      if (!parameter.name.ends_with(".lora_A.weight")) continue;
      const RandomStream random(seed, stream++);
      const double bound = 1 / std::sqrt(static_cast<double>(parameter.value.size(1)));
      const at::Tensor drawn = at::empty(parameter.value.sizes(), at::kFloat);
      auto* values = drawn.mutable_data_ptr<float>();
      for (std::int64_t i = 0; i < parameter.count; ++i) {
        const double unit = random.unit_interval(static_cast<std::uint64_t>(i));
        values[i] = static_cast<float>((2 * unit - 1) * bound);
      }
      parameter.value.copy_(drawn);
    }
  }

  void train_head() {
    Parameter& head = model_.parameters.all().back();
    model_.named["score.weight"] = head.value;
    model_.head = {head.value, {}, {}};
  }

  const LoraSpec& spec_;
  std::set<std::string> targets_;
  TrainableModel model_;
  std::vector<ParameterSpec> specs_;
};

}  // namespace

TrainableModel make_lora_model(const Architecture& architecture, at::ScalarType compute,
                               std::int64_t multiple, const LoraSpec& spec, std::uint64_t seed,
                               at::Device device) {
  return LoraModel(architecture, compute, spec, device).run(multiple, seed);
}

}  // namespace expo
