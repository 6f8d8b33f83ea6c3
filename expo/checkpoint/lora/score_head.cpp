#include "expo/checkpoint/lora/score_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "expo/checkpoint/model_class.h"
#include "expo/checkpoint/tied_head.h"
#include "expo/core/error.h"

namespace expo {
namespace {

/// Whether the tensor is the head's matrix or a bias of it.
bool belongs_to_head(const std::string& tensor) {
  constexpr std::string_view kBias = "bias";
  if (!tensor.ends_with(kBias)) return is_head(tensor);
  return is_head(tensor.substr(0, tensor.size() - kBias.size()) + "weight");
}

/// The width of a language model's layers; 0 if no tensor shows it.
std::uint64_t width_of(const Checkpoint& base) {
  const auto head = std::ranges::find_if(base.tensors(),
                                         [](const Tensor& tensor) { return is_head(tensor.name); });
  if (head != base.tensors().end() && head->shape.size() == 2) return head->shape[1];
  const auto tied = find_tied_head(base);
  if (!tied) return 0;
  const Tensor& embedding = base.tensors()[tied->embedding];
  return embedding.shape.size() == 2 ? embedding.shape[1] : 0;
}

/// The tensors of a language model without its head, plus an untrained output matrix.
class ScoredBase final : public Checkpoint {
 public:
  ScoredBase(std::shared_ptr<const Checkpoint> base, Tensor head, Json config)
      : base_(std::move(base)) {
    for (std::size_t i = 0; i < base_->tensors().size(); ++i) {
      if (belongs_to_head(base_->tensors()[i].name)) continue;
      tensors_.push_back(base_->tensors()[i]);
      original_.push_back(i);
    }
    tensors_.push_back(std::move(head));
    files_ = base_->files();
    format_ = base_->format();
    location_ = base_->location();
    quantised_formats_ = base_->quantised_formats();
    warnings_ = base_->warnings();
    model_id_ = base_->model_id();
    take_config(std::move(config));
    index_tensors();
  }

  std::span<const std::byte> read(std::size_t index, std::uint64_t first, std::uint64_t count,
                                  ReadScratch& scratch) const override {
    if (index < original_.size()) return base_->read(original_[index], first, count, scratch);
    const auto zeros = scratch.decoded.get(*byte_size(tensors_[index].dtype, count));
    std::ranges::fill(zeros, std::byte{0});
    return zeros;
  }

 private:
  void take_config(Json config) {
    config_ = std::move(config);
    sidecars_ = base_->sidecars();
    for (Sidecar& sidecar : sidecars_) {
      if (sidecar.name == "config.json") sidecar.content = format_json(config_);
    }
  }

  std::shared_ptr<const Checkpoint> base_;
  std::vector<std::size_t> original_;  ///< the base's tensor for each one but the last
};

/// The output matrix that an adapter was trained with, if it has no counterpart in the base.
const Tensor* trained_head(const Checkpoint& base, const AdapterWeights& adapter) {
  if (base.find(kScoreHead)) return nullptr;
  const auto saved = std::ranges::find(adapter.saved, kScoreHead, &SavedTensor::name);
  if (saved == adapter.saved.end() || saved->frozen) return nullptr;
  const Tensor& tensor = adapter.tensor(saved->tensor);
  const bool fits = tensor.shape.size() == 2 && supports_arithmetic(tensor.dtype) &&
                    tensor.elements() > 0 && tensor.shape[1] == width_of(base);
  return fits ? &tensor : nullptr;
}

}  // namespace

std::shared_ptr<const Checkpoint> with_score_head(std::shared_ptr<const Checkpoint> base,
                                                  const AdapterWeights& adapter) {
  const Tensor* const head = trained_head(*base, adapter);
  const auto architecture = declared_architecture(base->config());
  const bool language = architecture && classifier_of(*architecture);
  if (head == nullptr || !language) return base;
  if (adapter.config.task != "SEQ_CLS") {
    throw input_error(fmt::format(
        "{}: holds the outputs of a reward model (\"{}\"), but task_type of adapter_config.json is "
        "{}; expected SEQ_CLS, as PEFT writes it for such a model",
        adapter.where(), kScoreHead,
        adapter.config.task.empty() ? "missing" : "\"" + adapter.config.task + "\""));
  }
  auto config = classifier_config(base->config(), head->shape[0]);
  if (!config) return base;
  Tensor empty = *head;
  empty.name = kScoreHead;
  empty.extent.reset();
  return std::make_shared<ScoredBase>(std::move(base), std::move(empty), *std::move(config));
}

}  // namespace expo
