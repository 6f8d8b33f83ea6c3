#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "expo/checkpoint/folder/sidecars.h"
#include "expo/checkpoint/lora/scaling.h"
#include "expo/checkpoint/lora/update.h"
#include "expo/checkpoint/lora/weights.h"
#include "expo/checkpoint/output_layout.h"
#include "expo/checkpoint/safetensors/layout.h"
#include "expo/core/error.h"
#include "expo/core/float_formats.h"

namespace expo {
namespace {

constexpr std::uint64_t kLargestAdapter = std::uint64_t{16} << 30;
constexpr std::uint64_t kLargestSidecar = std::uint64_t{1} << 30;

template <typename Bits>
void store(std::byte* at, Bits bits) {
  std::memcpy(at, &bits, sizeof bits);
}

/// Rounds to nearest; returns false if a finite value became infinite.
bool store_rounded(double value, DType dtype, std::byte* at) {
  double stored = value;
  if (dtype == DType::f16) {
    const std::uint16_t bits = double_to_f16(value);
    store(at, bits);
    stored = f16_to_double(bits);
  } else if (dtype == DType::bf16) {
    const std::uint16_t bits = double_to_bf16(value);
    store(at, bits);
    stored = bf16_to_double(bits);
  } else if (dtype == DType::f32) {
    const std::uint32_t bits = double_to_f32(value);
    store(at, bits);
    stored = f32_to_double(bits);
  } else {
    store(at, value);
  }
  return std::isfinite(stored);
}

class Scaler {
 public:
  Scaler(const AdapterWeights& adapter, double factor) : adapter_(adapter), factor_(factor) {}

  /// The scaled adapter as a safetensors file.
  std::string file() const {
    const auto& tensors = adapter_.checkpoint->tensors();
    std::vector<OutputTensor> outputs;
    std::uint64_t bytes = 0;
    for (const Tensor& tensor : tensors) {
      outputs.push_back({tensor.name, tensor.shape, tensor.dtype, Encoding::plain});
      bytes += outputs.back().bytes();
      if (bytes > kLargestAdapter) refuse_size();
    }
    const OutputLayout layout = layout_safetensors(outputs, kLargestAdapter);
    std::string text = layout.files.front().head;
    text.resize(static_cast<std::size_t>(layout.files.front().size));
    for (const OutputPiece& piece : layout.files.front().pieces) {
      fill(piece.tensor, reinterpret_cast<std::byte*>(text.data() + piece.offset));
    }
    return text;
  }

 private:
  [[noreturn]] void refuse_size() const {
    throw input_error(fmt::format("{}: takes more than {} bytes, which no adapter does",
                                  adapter_.where(), kLargestAdapter));
  }

  bool is_b(std::size_t tensor) const {
    return std::ranges::find(adapter_.pairs, tensor, &LoraPair::b) != adapter_.pairs.end();
  }

  void fill(std::size_t index, std::byte* out) const {
    const Tensor& tensor = adapter_.tensor(index);
    ReadScratch scratch;
    const auto values = adapter_.checkpoint->read(index, 0, tensor.elements(), scratch);
    if (is_b(index)) {
      scale(tensor, values, out);
    } else if (!values.empty()) {
      std::memcpy(out, values.data(), values.size());
    }
  }

  void scale(const Tensor& tensor, std::span<const std::byte> values, std::byte* out) const {
    std::vector<double> wide(tensor.elements());
    widen_values(values, tensor.dtype, wide.data());
    const std::size_t width = byte_width(tensor.dtype);
    for (std::size_t i = 0; i < wide.size(); ++i) {
      if (store_rounded(wide[i] * factor_, tensor.dtype, out + i * width)) continue;
      if (!std::isfinite(wide[i])) continue;
      throw input_error(fmt::format(
          "{}: the tensor \"{}\" overflows {}: {} times {} (1 + α) is beyond its largest value; "
          "choose a smaller α, or write a merged checkpoint",
          adapter_.where(), tensor.name, tensor.stored, wide[i], factor_));
    }
  }

  const AdapterWeights& adapter_;
  double factor_;
};

void refuse_trained_tensors(const AdapterWeights& adapter) {
  for (const SavedTensor& saved : adapter.saved) {
    if (saved.frozen) continue;
    throw input_error(fmt::format(
        "{}: the tensor \"{}\" is stored whole (modules_to_save), which a scaled adapter cannot "
        "extrapolate; write a merged checkpoint instead",
        adapter.where(), adapter.tensor(saved.tensor).name));
  }
}

}  // namespace

std::map<std::string, std::string> scale_adapter(Filesystem& filesystem,
                                                 const std::filesystem::path& folder,
                                                 double alpha) {
  if (!std::isfinite(1 + alpha)) {
    throw usage_error(
        fmt::format("an adapter cannot be scaled by 1 + {}; α must be finite", alpha));
  }
  const AdapterWeights adapter = open_adapter(filesystem, folder);
  refuse_trained_tensors(adapter);
  std::map<std::string, std::string> files;
  std::vector<std::string> ignored;  // opening the adapter over its base gives the same warnings
  const LinkScope scope(filesystem, folder, adapter.checkpoint->files().front().path);
  for (const Sidecar& sidecar : list_sidecars(filesystem, folder, scope, ignored)) {
    files[sidecar.name] =
        filesystem.read_text(std::get<std::filesystem::path>(sidecar.content), kLargestSidecar);
  }
  files["adapter_config.json"] = filesystem.read_text(adapter.config_path);
  files["adapter_model.safetensors"] = Scaler(adapter, 1 + alpha).file();
  return files;
}

}  // namespace expo
