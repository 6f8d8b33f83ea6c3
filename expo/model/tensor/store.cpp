#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <cstring>

#include "expo/core/error.h"
#include "expo/model/tensor/decoder.h"
#include "expo/model/tensor/store.h"
#include "expo/model/tensor/weights.h"
#include "expo/model/weight_store.h"

namespace expo {
namespace {

at::ScalarType scalar_type(DType dtype) {
  if (dtype == DType::f32) return at::kFloat;
  if (dtype == DType::bf16) return at::kBFloat16;
  throw usage_error(
      fmt::format("a model runs in float32 or bfloat16, not in {}", torch_name(dtype)));
}

class TensorStore final : public WeightStore {
 public:
  TensorStore(const Architecture& architecture, DType dtype, at::Device device)
      : WeightStore(dtype),
        weights_(allocate_weights(architecture,
                                  at::TensorOptions().dtype(scalar_type(dtype)).device(device))) {
    for (const auto& [name, tensor] : weights_.named) {
      entries_.push_back({name, {tensor.sizes().begin(), tensor.sizes().end()}});
      tensors_.push_back(tensor);
    }
  }

  void write(std::size_t entry, std::uint64_t first, std::span<const std::byte> values) override {
    const c10::InferenceMode no_gradients;
    const auto count = static_cast<std::int64_t>(values.size() / byte_width(dtype()));
    // from_blob requires writable memory, but the bytes are only read.
    const at::Tensor source =
        at::from_blob(const_cast<std::byte*>(values.data()), {count}, scalar_type(dtype()));
    tensors_[entry].view({-1}).narrow(0, static_cast<std::int64_t>(first), count).copy_(source);
  }

  std::vector<std::byte> read(std::size_t entry) const override {
    const c10::InferenceMode no_gradients;
    const at::Tensor values = tensors_[entry].to(at::kCPU).contiguous();
    std::vector<std::byte> bytes(values.nbytes());
    std::memcpy(bytes.data(), values.const_data_ptr(), bytes.size());
    return bytes;
  }

  std::uint64_t bytes() const override {
    std::uint64_t total = 0;
    for (const at::Tensor& tensor : tensors_) total += tensor.nbytes();
    return total;
  }

  std::unique_ptr<Decoder> make_decoder(const Architecture& architecture,
                                        unsigned threads) const override {
    if (threads != 0) at::set_num_threads(static_cast<int>(threads));
    const auto steps = weights_.embedding.is_cuda() ? TensorDecoder::Steps::together
                                                    : TensorDecoder::Steps::one_by_one;
    return std::make_unique<TensorDecoder>(architecture, weights_, steps);
  }

 private:
  DecoderWeights weights_;
  std::vector<at::Tensor> tensors_;
};

}  // namespace

std::unique_ptr<WeightStore> make_tensor_store(const Architecture& architecture, DType dtype,
                                               at::Device device) {
  try {
    return std::make_unique<TensorStore>(architecture, dtype, device);
  } catch (const c10::Error& error) {
    throw environment_error(fmt::format("the model does not fit in the memory of {}: {}",
                                        device.str(), error.what_without_backtrace()));
  }
}

}  // namespace expo
