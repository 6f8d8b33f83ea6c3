#include "expo/training/model/tensor_writer.h"

#include <fmt/format.h>

#include <limits>
#include <span>

#include "expo/checkpoint/safetensors/layout.h"
#include "expo/core/error.h"

namespace expo {
namespace {

constexpr std::uint64_t kShardSize = 5'000'000'000;  // transformers' default

std::vector<OutputTensor> outputs_of(const NamedTensors& tensors, DType dtype) {
  std::vector<OutputTensor> outputs;
  for (const auto& [name, tensor] : tensors) {
    const std::vector<std::uint64_t> shape(tensor.sizes().begin(), tensor.sizes().end());
    outputs.push_back({name, shape, dtype, Encoding::plain});
  }
  return outputs;
}

void write_file(Filesystem& filesystem, const std::filesystem::path& path, const OutputFile& layout,
                const NamedTensors& tensors, DType dtype) {
  const auto file = filesystem.create(path, Caching::buffered);
  file->allocate(layout.size);
  file->write_at(0, std::as_bytes(std::span(layout.head)));
  for (const OutputPiece& piece : layout.pieces) {
    const auto& [name, values] = tensors[piece.tensor];
    const at::Tensor stored = values.detach().to(at::kCPU, scalar_type_of(dtype)).contiguous();
    if (dtype == DType::f16 && !stored.isfinite().all().item<bool>()) {
      throw input_error(fmt::format(
          "the tensor \"{}\" has values beyond float16's range; use save_dtype float32 or "
          "bfloat16",
          name));
    }
    file->write_at(piece.offset, {static_cast<const std::byte*>(stored.const_data_ptr()),
                                  static_cast<std::size_t>(piece.bytes)});
  }
  file->sync();
  file->close();
}

}  // namespace

at::ScalarType scalar_type_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return at::kFloat;
    case DType::bf16:
      return at::kBFloat16;
    case DType::f16:
      return at::kHalf;
    case DType::f64:
      return at::kDouble;
    default:
      throw usage_error(fmt::format("weights cannot be saved as {}", torch_name(dtype)));
  }
}

std::vector<OutputTensor> write_model_tensors(Filesystem& filesystem,
                                              const std::filesystem::path& folder,
                                              const NamedTensors& tensors, DType dtype) {
  const auto outputs = outputs_of(tensors, dtype);
  const OutputLayout layout = layout_safetensors(outputs, kShardSize);
  for (const OutputFile& file : layout.files)
    write_file(filesystem, folder / file.name, file, tensors, dtype);
  if (!layout.index_name.empty())
    filesystem.write_text(folder / layout.index_name, layout.index_text);
  return outputs;
}

void write_tensor_file(Filesystem& filesystem, const std::filesystem::path& path,
                       const NamedTensors& tensors, DType dtype) {
  const OutputLayout layout =
      layout_safetensors(outputs_of(tensors, dtype), std::numeric_limits<std::uint64_t>::max() / 4);
  write_file(filesystem, path, layout.files.front(), tensors, dtype);
}

}  // namespace expo
