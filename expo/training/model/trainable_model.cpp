#include "expo/training/model/trainable_model.h"

namespace expo {
namespace {

struct LayerTensor {
  const char* name;
  at::Tensor LayerWeights::*tensor;
  bool norm;
  bool bias;
};

constexpr LayerTensor kLayerTensors[] = {
    {"attention_norm", &LayerWeights::attention_norm, true, false},
    {"attention_post_norm", &LayerWeights::attention_post_norm, true, false},
    {"mlp_norm", &LayerWeights::mlp_norm, true, false},
    {"mlp_post_norm", &LayerWeights::mlp_post_norm, true, false},
    {"qkv", &LayerWeights::qkv, false, false},
    {"qkv_bias", &LayerWeights::qkv_bias, false, true},
    {"q_norm", &LayerWeights::q_norm, true, false},
    {"k_norm", &LayerWeights::k_norm, true, false},
    {"output", &LayerWeights::output, false, false},
    {"output_bias", &LayerWeights::output_bias, false, true},
    {"gate_up", &LayerWeights::gate_up, false, false},
    {"gate_up_bias", &LayerWeights::gate_up_bias, false, true},
    {"down", &LayerWeights::down, false, false},
    {"down_bias", &LayerWeights::down_bias, false, true},
};

/// Makes a parameter of every tensor of an architecture, fused as in the forward pass.
class FullModel {
 public:
  FullModel(const Architecture& architecture, at::ScalarType compute)
      : shapes_(allocate_weights(architecture, at::TensorOptions().device(at::kMeta))) {
    model_.architecture = architecture;
    model_.compute = compute;
  }

  TrainableModel run(std::int64_t multiple, at::Device device) {
    list_tensors();
    model_.parameters = ParameterSet(specs_, model_.compute == at::kFloat, multiple, device);
    for (std::size_t i = 0; i < places_.size(); ++i) *places_[i] = parameter(i).leaf;
    for (const auto& places : products_) list_products(places);
    const bool tied =
        model_.architecture.tied_head && model_.architecture.head == ModelHead::language;
    const std::size_t head = tied ? 0 : places_.size() - 1;
    model_.head = {parameter(head).value, parameter(head).pair, {}};
    model_.weights.head.reset();
    model_.embedding = parameter(0).value;
    name_values();
    return std::move(model_);
  }

 private:
  const Parameter& parameter(std::size_t index) const { return model_.parameters.all()[index]; }

  void list_tensors() {
    DecoderWeights& weights = model_.weights;
    weights.layers.resize(shapes_.layers.size());
    const bool tied = shapes_.head.is_alias_of(shapes_.embedding);
    add("embedding", shapes_.embedding, weights.embedding, true, tied);
    for (std::size_t i = 0; i < shapes_.layers.size(); ++i) {
      std::array<std::size_t, kLayerProducts> products{};
      std::size_t next = 0;
      for (const LayerTensor& entry : kLayerTensors) {
        const at::Tensor& shape = shapes_.layers[i].*entry.tensor;
        if (!shape.defined()) continue;
        const bool matrix = !entry.norm && !entry.bias;
        // The products are in the order of LayerProduct, which is that of kLayerTensors.
        if (matrix) products[next++] = specs_.size();
        add("layers." + std::to_string(i) + "." + entry.name, shape,
            weights.layers[i].*entry.tensor, matrix, matrix);
      }
      products_.push_back(products);
    }
    add("final_norm", shapes_.final_norm, weights.final_norm, false, false);
    if (!tied)
      add("head", shapes_.head, weights.head, true,
          model_.architecture.head == ModelHead::language);
  }

  void add(std::string name, const at::Tensor& shape, at::Tensor& place, bool decays, bool paired) {
    index_of_[shape.storage().unsafeGetStorageImpl()] = specs_.size();
    specs_.push_back({std::move(name), shape.sizes().vec(), decays, paired});
    places_.push_back(&place);
  }

  void list_products(const std::array<std::size_t, kLayerProducts>& places) {
    auto& products = model_.products.emplace_back();
    for (std::size_t i = 0; i < kLayerProducts; ++i) {
      const Parameter& matrix = parameter(places[i]);
      products[i] = {matrix.value, matrix.pair, {}};
    }
  }

  /// Hugging Face's names are views of the fused tensors, and become the same views of the values.
  void name_values() {
    for (const auto& [name, view] : shapes_.named) {
      const std::size_t index = index_of_.at(view.storage().unsafeGetStorageImpl());
      model_.named[name] = parameter(index)
                               .value.view({-1})
                               .narrow(0, view.storage_offset(), view.numel())
                               .view(view.sizes());
    }
  }

  DecoderWeights shapes_;
  TrainableModel model_;
  std::vector<ParameterSpec> specs_;
  std::vector<at::Tensor*> places_;
  std::vector<std::array<std::size_t, kLayerProducts>> products_;  ///< places in specs_
  std::map<const c10::StorageImpl*, std::size_t> index_of_;
};

}  // namespace

void TrainableModel::allocate_gradients() {
  parameters.allocate_gradients();
  std::map<const c10::TensorImpl*, at::Tensor> gradients;
  for (const Parameter& parameter : parameters.all())
    gradients[parameter.value.unsafeGetTensorImpl()] = parameter.gradient;
  const auto gradient_of = [&](const at::Tensor& value) {
    const auto found = gradients.find(value.unsafeGetTensorImpl());
    return found == gradients.end() ? at::Tensor() : found->second;
  };
  for (auto& layer : products) {
    for (LinearWeight& weight : layer) weight.gradient = gradient_of(weight.value);
  }
  head.gradient = gradient_of(head.value);
  embedding_gradient = gradient_of(embedding);
}

TrainableModel make_full_model(const Architecture& architecture, at::ScalarType compute,
                               std::int64_t multiple, at::Device device) {
  return FullModel(architecture, compute).run(multiple, device);
}

}  // namespace expo
