#include "expo/checkpoint/lora/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "expo/checkpoint/folder/weight_index.h"
#include "expo/checkpoint/safetensors/checkpoint.h"
#include "expo/checkpoint/torch/checkpoint.h"
#include "expo/core/error.h"

namespace expo {
namespace {

using Path = std::filesystem::path;

constexpr std::uint64_t kLargestConfig = std::uint64_t{16} << 20;
/// The limit on the size of A and B, which are held in memory.
constexpr std::uint64_t kLargestUpdate = std::uint64_t{16} << 30;

/// The meaning of a tensor's name.
struct Name {
  enum class Kind { a, b, embedding_a, embedding_b, frozen, whole };
  Kind kind = Kind::whole;
  std::string of;  ///< a module for A and B, otherwise a tensor
};

bool is_a(Name::Kind kind) {
  return kind == Name::Kind::a || kind == Name::Kind::embedding_a;
}

/// The name with its last occurrence of PEFT's `part` replaced by a dot, if it has one.
std::optional<std::string> without(const std::string& name, std::string_view part) {
  const std::size_t at = name.rfind(part);
  if (at == std::string::npos) return std::nullopt;
  return name.substr(0, at) + "." + name.substr(at + part.size());
}

bool cut_end(std::string& name, std::string_view end) {
  if (!name.ends_with(end)) return false;
  name.resize(name.size() - end.size());
  return true;
}

/// Parses a name whose last module is PEFT's own: X.lora_A.weight, X.lora_A.default.weight,
/// X.lora_embedding_A.
std::optional<Name> lora_name(const std::string& name) {
  const std::size_t at = name.rfind(".lora_");
  if (at == std::string::npos || at == 0) return std::nullopt;
  std::string part = name.substr(at + 1);
  const bool weight = cut_end(part, ".weight");
  cut_end(part, ".default");
  const std::string module = name.substr(0, at);
  if (weight && part == "lora_A") return Name{Name::Kind::a, module};
  if (weight && part == "lora_B") return Name{Name::Kind::b, module};
  if (!weight && part == "lora_embedding_A") return Name{Name::Kind::embedding_a, module};
  if (!weight && part == "lora_embedding_B") return Name{Name::Kind::embedding_b, module};
  return std::nullopt;
}

/// The module that holds a tensor: "lm_head" for "lm_head.weight".
std::string_view module_of(std::string_view tensor) {
  const std::size_t dot = tensor.rfind('.');
  return dot == tensor.npos ? std::string_view() : tensor.substr(0, dot);
}

/// Whether PEFT saves this module whole if the vocabulary was resized: the embedding and the head.
bool is_vocabulary(std::string_view module) {
  return module.ends_with("embed_tokens") || module.ends_with("lm_head") ||
         module.ends_with("wte") || module.ends_with("embed_in") || module.ends_with("embed_out");
}

class Sorter {
 public:
  explicit Sorter(AdapterWeights& weights) : weights_(weights) {}

  void sort() {
    const auto& tensors = weights_.checkpoint->tensors();
    for (std::size_t i = 0; i < tensors.size(); ++i) place(i, parse(tensors[i].name));
    for (const std::string& module : order_) pair(module, found_.at(module));
    check_lone_bs();
    check_size();
    if (weights_.pairs.empty() && weights_.saved.empty()) {
      refuse("holds no tensors; expected the lora_A and lora_B matrices of an adapter");
    }
  }

 private:
  struct Halves {
    std::optional<std::size_t> a, b, embedding_a, embedding_b;
  };

  [[noreturn]] void refuse(const std::string& reason) const {
    throw input_error(weights_.where() + ": " + reason);
  }

  Name parse(const std::string& tensor) const {
    std::string name = tensor;
    constexpr std::string_view kPrefix = "base_model.model.";
    if (name.starts_with(kPrefix)) name.erase(0, kPrefix.size());
    if (auto lora = lora_name(name)) return *lora;
    refuse_variant(tensor, name);
    if (const auto frozen = without(name, ".base_layer.")) return {Name::Kind::frozen, *frozen};
    for (const char* part : {".modules_to_save.default.", ".modules_to_save."}) {
      if (const auto saved = without(name, part)) return {Name::Kind::whole, *saved};
    }
    return whole(tensor, name);
  }

  void refuse_variant(const std::string& tensor, const std::string& name) const {
    const bool is_bias = name.ends_with(".lora_B.bias");
    const bool is_dora = name.find(".lora_magnitude_vector") != std::string::npos;
    if (!is_bias && !is_dora && name.find(".lora_") == std::string::npos) return;
    refuse(fmt::format(
        "the tensor \"{}\" {}; expected lora_A.weight, lora_B.weight, lora_embedding_A or "
        "lora_embedding_B; merge the adapter with PEFT (merge_and_unload) and use the merged "
        "model",
        tensor,
        is_dora   ? "is a magnitude of DoRA, which rescales the merged weights"
        : is_bias ? "is the bias of a B (lora_bias), which changes biases of the model"
                  : "belongs to an unknown variant of LoRA"));
  }

  Name whole(const std::string& tensor, const std::string& name) const {
    const std::string_view module = module_of(name);
    if (weights_.config.saves(module)) return {Name::Kind::whole, name};
    if (is_vocabulary(module)) {
      const bool trained = weights_.config.ensure_weight_tying;
      return {trained ? Name::Kind::whole : Name::Kind::frozen, name};
    }
    refuse(
        fmt::format("the tensor \"{}\" is neither A nor B of a LoRA nor of a module that "
                    "modules_to_save names; the file and adapter_config.json do not belong "
                    "together",
                    tensor));
  }

  void place(std::size_t index, const Name& name) {
    if (name.kind == Name::Kind::whole || name.kind == Name::Kind::frozen) {
      return save(index, name);
    }
    Halves& halves = found_[name.of];
    if (is_a(name.kind)) order_.push_back(name.of);
    auto& place = name.kind == Name::Kind::a             ? halves.a
                  : name.kind == Name::Kind::b           ? halves.b
                  : name.kind == Name::Kind::embedding_a ? halves.embedding_a
                                                         : halves.embedding_b;
    if (place) refuse_twice(*place, index);
    place = index;
    if (!is_a(name.kind)) bs_.emplace_back(name.of, index);
  }

  void save(std::size_t index, const Name& name) {
    const auto [other, is_new] = saved_.emplace(name.of, index);
    if (!is_new) refuse_twice(other->second, index);
    weights_.saved.push_back({name.of, index, name.kind == Name::Kind::frozen});
  }

  [[noreturn]] void refuse_twice(std::size_t first, std::size_t second) const {
    refuse(
        fmt::format("\"{}\" and \"{}\" name the same tensor; the file holds more than "
                    "one adapter",
                    weights_.tensor(first).name, weights_.tensor(second).name));
  }

  void pair(const std::string& module, const Halves& halves) {
    if (halves.a && halves.embedding_a) refuse_twice(*halves.a, *halves.embedding_a);
    const bool is_embedding = halves.embedding_a.has_value();
    const auto a = is_embedding ? halves.embedding_a : halves.a;
    const auto b = is_embedding ? halves.embedding_b : halves.b;
    if (!b) {
      refuse(fmt::format("the tensor \"{}\" has no B beside it; the file is incomplete",
                         weights_.tensor(*a).name));
    }
    check_shapes(weights_.tensor(*a), weights_.tensor(*b), module);
    weights_.pairs.push_back({module, *a, *b, is_embedding});
  }

  void check_shapes(const Tensor& a, const Tensor& b, const std::string& module) const {
    for (const Tensor* tensor : {&a, &b}) {
      if (!supports_arithmetic(tensor->dtype)) {
        refuse(fmt::format("the tensor \"{}\" is {}; expected F16, BF16, F32 or F64", tensor->name,
                           tensor->stored));
      }
      if (tensor->shape.size() < 2 || tensor->elements() == 0) {
        refuse(
            fmt::format("the tensor \"{}\" has the shape {}; expected a matrix (adapters that "
                        "were saved before the shards of a distributed training were gathered "
                        "look like this)",
                        tensor->name, format_shape(tensor->shape)));
      }
    }
    const std::uint64_t rank = weights_.config.rank_of(module);
    check_rank(a, a.shape[0], rank);
    check_rank(b, b.shape[1], rank);
  }

  void check_rank(const Tensor& tensor, std::uint64_t found, std::uint64_t rank) const {
    if (found == rank) return;
    if (tensor.shape.size() > 2 && found != 0 && rank % found == 0) {
      refuse(
          fmt::format("the tensor \"{}\" has the shape {}, that of a convolution in groups, which "
                      "cannot be merged",
                      tensor.name, format_shape(tensor.shape)));
    }
    refuse(
        fmt::format("the tensor \"{}\" has the shape {}, that is rank {}, but "
                    "adapter_config.json gives the rank {} (r and rank_pattern); the files do "
                    "not belong together",
                    tensor.name, format_shape(tensor.shape), found, rank));
  }

  void check_lone_bs() const {
    for (const auto& [module, index] : bs_) {
      const Halves& halves = found_.at(module);
      const bool paired = halves.b == index ? halves.a.has_value() : halves.embedding_a.has_value();
      if (!paired) {
        refuse(fmt::format("the tensor \"{}\" has no A beside it; the file is incomplete",
                           weights_.tensor(index).name));
      }
    }
  }

  void check_size() const {
    std::uint64_t bytes = 0;
    for (const LoraPair& pair : weights_.pairs) {
      for (const std::size_t i : {pair.a, pair.b}) {
        bytes += *byte_size(weights_.tensor(i).dtype, weights_.tensor(i).elements());
      }
    }
    if (bytes <= kLargestUpdate) return;
    refuse(
        fmt::format("the A and B matrices take {} bytes, more than the {} that may be held in "
                    "memory; merge the adapter with PEFT and use the merged model",
                    bytes, kLargestUpdate));
  }

  AdapterWeights& weights_;
  std::map<std::string, Halves> found_;
  std::map<std::string, std::size_t> saved_;
  std::vector<std::string> order_;  ///< modules, in the order of their A
  std::vector<std::pair<std::string, std::size_t>> bs_;
};

std::shared_ptr<Checkpoint> open_weights(Filesystem& filesystem, const Path& folder) {
  WeightFiles files;
  for (const char* name : {"adapter_model.safetensors", "adapter_model.bin"}) {
    if (!filesystem.exists(folder / name)) continue;
    files.files.push_back(folder / name);
    return Path(name).extension() == ".bin" ? open_torch(filesystem, files)
                                            : open_safetensors(filesystem, files);
  }
  throw input_error(folder.string() +
                    ": holds an adapter_config.json but neither adapter_model.safetensors nor "
                    "adapter_model.bin; perhaps the download is incomplete");
}

}  // namespace

AdapterWeights open_adapter(Filesystem& filesystem, const Path& folder) {
  AdapterWeights weights;
  weights.config_path = folder / "adapter_config.json";
  weights.config = parse_lora_config(filesystem.read_text(weights.config_path, kLargestConfig),
                                     weights.config_path.string());
  weights.checkpoint = open_weights(filesystem, folder);
  Sorter(weights).sort();
  return weights;
}

}  // namespace expo
