#include "expo/checkpoint/lora/changes.h"

#include <fmt/format.h>

#include <algorithm>

#include "expo/checkpoint/lora/names.h"
#include "expo/checkpoint/lora/shapes.h"
#include "expo/checkpoint/tied_head.h"
#include "expo/core/error.h"
#include "expo/core/float_formats.h"

namespace expo {
namespace {

constexpr std::uint64_t kBlock = std::uint64_t{1} << 20;

/// A float64 value rounded to a type and widened again.
double rounded_to(DType dtype, double value) {
  switch (dtype) {
    case DType::f16:
      return f16_to_double(double_to_f16(value));
    case DType::bf16:
      return bf16_to_double(double_to_bf16(value));
    case DType::f32:
      return static_cast<double>(static_cast<float>(value));
    default:
      return value;
  }
}

bool same_bytes(const Checkpoint& one, std::size_t index, const Checkpoint& other,
                std::size_t other_index) {
  const std::uint64_t elements = one.tensors()[index].elements();
  ReadScratch a;
  ReadScratch b;
  for (std::uint64_t first = 0; first < elements; first += kBlock) {
    const std::uint64_t count = std::min(kBlock, elements - first);
    if (!std::ranges::equal(one.read(index, first, count, a),
                            other.read(other_index, first, count, b))) {
      return false;
    }
  }
  return true;
}

/// Whether a tensor of the adapter holds the base's values, as far as its type can represent them.
bool same_values(const Checkpoint& adapter, std::size_t held, const Checkpoint& base,
                 std::size_t original) {
  const DType type = adapter.tensors()[held].dtype;
  const DType base_type = base.tensors()[original].dtype;
  const std::uint64_t elements = base.tensors()[original].elements();
  ReadScratch a;
  ReadScratch b;
  if (!supports_arithmetic(type)) return same_bytes(adapter, held, base, original);
  std::vector<double> mine(std::min(kBlock, elements));
  std::vector<double> theirs(mine.size());
  for (std::uint64_t first = 0; first < elements; first += kBlock) {
    const std::uint64_t count = std::min(kBlock, elements - first);
    widen_values(adapter.read(held, first, count, a), type, mine.data());
    widen_values(base.read(original, first, count, b), base_type, theirs.data());
    for (std::uint64_t i = 0; i < count; ++i) {
      const bool both_nan = mine[i] != mine[i] && theirs[i] != theirs[i];
      if (!both_nan && mine[i] != rounded_to(type, theirs[i])) return false;
    }
  }
  return true;
}

class Finder {
 public:
  Finder(const AdapterWeights& adapter, const Checkpoint& base)
      : adapter_(adapter),
        base_(base),
        tied_(find_tied_head(base)),
        names_(base, names_to_find(), adapter.where()) {
    result_.tensors.resize(base.tensors().size());
  }

  LoraChanges find() {
    for (const SavedTensor& saved : adapter_.saved) place_saved(saved);
    place_pairs();
    check_modules_to_save();
    if (tied_) settle_head();
    return std::move(result_);
  }

 private:
  [[noreturn]] void refuse(std::size_t tensor, const std::string& reason) const {
    throw input_error(fmt::format("{}: the tensor \"{}\" {}", adapter_.where(),
                                  adapter_.tensor(tensor).name, reason));
  }

  /// Whether the name is that of a tied head that the base does not store.
  bool is_tied_head(const std::string& name) const {
    return tied_ && !tied_->tensor && is_head(name);
  }

  std::vector<std::string> names_to_find() const {
    std::vector<std::string> names;
    const auto add = [&](const std::string& name) {
      if (!is_tied_head(name)) names.push_back(name);
    };
    for (const LoraPair& pair : adapter_.pairs) add(pair.module + ".weight");
    for (const SavedTensor& saved : adapter_.saved) add(saved.name);
    return names;
  }

  /// The base's tensor of that name, or the embedding for a head that is tied to it.
  std::size_t original(const std::string& name) const {
    return is_tied_head(name) ? tied_->embedding : *names_.find(name);
  }

  LoraChange& change_of(const std::string& name) {
    return is_tied_head(name) ? head_ : result_.tensors[*names_.find(name)];
  }

  void place_saved(const SavedTensor& saved) {
    const std::size_t index = original(saved.name);
    check_saved(saved.tensor, base_.tensors()[index]);
    LoraChange& change = change_of(saved.name);
    if (change.replacement)
      refuse(saved.tensor, "replaces a tensor that another one replaces as well");
    if (saved.frozen) {
      if (same_values(*adapter_.checkpoint, saved.tensor, base_, index)) return;
      result_.warnings.push_back(fmt::format(
          "{}: the tensor \"{}\", which the training did not change, differs from that in {}; the "
          "adapter's is used, but the adapter may have been trained over another model",
          adapter_.where(), adapter_.tensor(saved.tensor).name, base_.location()));
      frozen_.push_back(&change);
    } else {
      trained_.push_back(&change);
    }
    change.replacement = saved.tensor;
  }

  void check_saved(std::size_t index, const Tensor& original) const {
    const Tensor& tensor = adapter_.tensor(index);
    if (tensor.shape != original.shape) {
      const bool rows = tensor.shape.size() == 2 && original.shape.size() == 2 &&
                        tensor.shape[1] == original.shape[1];
      refuse(index,
             fmt::format("has the shape {}, but the base's \"{}\" has {}{}",
                         format_shape(tensor.shape), original.name, format_shape(original.shape),
                         rows ? ": the vocabulary was resized for the training; save the "
                                "base with the resized vocabulary "
                                "(resize_token_embeddings) and use that"
                              : "; the adapter belongs to another model"));
    }
    const bool floats = supports_arithmetic(tensor.dtype) && supports_arithmetic(original.dtype);
    if (!floats && tensor.dtype != original.dtype) {
      refuse(index, fmt::format("is {}, but the base's \"{}\" is {}", tensor.stored, original.name,
                                original.stored));
    }
  }

  void place_pairs() {
    const SquareOrientation squares(
        adapter_, base_, [&](const LoraPair& pair) { return original(pair.module + ".weight"); });
    for (const LoraPair& pair : adapter_.pairs) {
      const std::string name = pair.module + ".weight";
      const Tensor& weight = base_.tensors()[original(name)];
      LoraChange& change = change_of(name);
      if (change.update) refuse(pair.a, "adapts a tensor that another one adapts as well");
      if (std::ranges::find(trained_, &change) != trained_.end()) {
        refuse(pair.a, "adapts a tensor that the adapter holds whole as well (modules_to_save)");
      }
      change.update = make_update(adapter_, pair, weight, squares);
    }
  }

  /// Checks that every module of modules_to_save exists: PEFT saves them all, so a missing one was
  /// lost.
  void check_modules_to_save() const {
    for (const std::string& module : adapter_.config.modules_to_save) {
      const std::string* lost = nullptr;
      bool held = false;
      for (std::size_t i = 0; i < base_.tensors().size() && !held; ++i) {
        const std::string& name = base_.tensors()[i].name;
        if (!lies_in(name, module)) continue;
        held = result_.tensors[i].replacement.has_value();
        lost = &name;
      }
      if (lost == nullptr || held) continue;
      throw input_error(fmt::format(
          "{}: modules_to_save of adapter_config.json names \"{}\", but no tensor of it exists "
          "(\"{}\" and so on); the file is incomplete",
          adapter_.where(), module, *lost));
    }
  }

  static bool lies_in(const std::string& tensor, const std::string& module) {
    LoraConfig config;
    config.modules_to_save = {module};
    const std::size_t dot = tensor.rfind('.');
    return dot != std::string::npos && config.saves(std::string_view(tensor).substr(0, dot));
  }

  // Heads that are tied to the embedding

  void settle_head() {
    LoraChange& embedding = result_.tensors[tied_->embedding];
    LoraChange& head = tied_->tensor ? result_.tensors[*tied_->tensor] : head_;
    share_frozen(embedding, head);
    const bool embedding_trained = is_trained(embedding);
    const bool head_trained = is_trained(head);
    if (!embedding_trained && !head_trained) return;
    if (adapter_.config.ensure_weight_tying && !head_trained) {
      head = embedding;
    } else if (!(embedding_trained && head_trained && same_change(embedding, head))) {
      LoraChanges::OwnHead own{{}, tied_->embedding, {}};
      if (!tied_->tensor) own = {tied_->name, tied_->embedding, head};
      result_.own_head = own;
      result_.warnings.push_back(fmt::format(
          "{}: the base ties the embedding and the output head, but the adapter changes them "
          "differently: the head becomes a tensor of its own, \"{}\", and "
          "tie_word_embeddings becomes false",
          adapter_.where(), tied_->name));
    }
  }

  bool is_trained(const LoraChange& change) const {
    return change.update || std::ranges::find(trained_, &change) != trained_.end();
  }

  /// In the trained model both were one matrix, so an untrained replacement of one applies to both.
  void share_frozen(LoraChange& embedding, LoraChange& head) const {
    const auto frozen = [&](const LoraChange& change) {
      return std::ranges::find(frozen_, &change) != frozen_.end();
    };
    if (frozen(embedding) && !head.replacement) {
      head.replacement = embedding.replacement;
    } else if (frozen(head) && !embedding.replacement) {
      embedding.replacement = head.replacement;
    }
  }

  bool same_change(const LoraChange& embedding, const LoraChange& head) const {
    if (static_cast<bool>(embedding.update) != static_cast<bool>(head.update)) return false;
    if (embedding.update && !embedding.update->equals(*head.update)) return false;
    if (embedding.replacement.has_value() != head.replacement.has_value()) return false;
    return !embedding.replacement || same_values(*adapter_.checkpoint, *embedding.replacement,
                                                 *adapter_.checkpoint, *head.replacement);
  }

  const AdapterWeights& adapter_;
  const Checkpoint& base_;
  std::optional<TiedHead> tied_;
  BaseNames names_;
  LoraChanges result_;
  LoraChange head_;                         ///< change of a head that the base does not store
  std::vector<const LoraChange*> frozen_;   ///< changes whose replacement was not trained
  std::vector<const LoraChange*> trained_;  ///< changes whose replacement was trained
};

}  // namespace

LoraChanges find_changes(const AdapterWeights& adapter, const Checkpoint& base) {
  return Finder(adapter, base).find();
}

}  // namespace expo
