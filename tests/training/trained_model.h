#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/training/model/load_weights.h"
#include "expo/training/model/trainable_decoder.h"

namespace expo {

inline std::shared_ptr<const Checkpoint> open_any(const std::filesystem::path& path) {
  return open_checkpoint(posix_filesystem(), path.string(), {}, hugging_face_environment());
}

/// A file of results that transformers made.
struct Golden {
  explicit Golden(const std::filesystem::path& path) : file(open_any(path)) {}

  bool has(const std::string& name) const { return file->find(name).has_value(); }
  at::Tensor tensor(const std::string& name) const {
    const std::size_t index = file->find(name).value();
    const Tensor& tensor = file->tensors()[index];
    const std::vector<std::int64_t> shape(tensor.shape.begin(), tensor.shape.end());
    const at::Tensor result = at::empty(shape, tensor.dtype == DType::i64 ? at::kLong : at::kFloat);
    ReadScratch scratch;
    const auto bytes = file->read(index, 0, tensor.elements(), scratch);
    std::memcpy(result.mutable_data_ptr(), bytes.data(), bytes.size());
    return result;
  }
  TokenRow row(const std::string& number) const {
    const at::Tensor ids = tensor("ids_" + number);
    const at::Tensor counts = tensor("counts_" + number);
    std::vector<TokenId> tokens;
    std::vector<bool> counting;
    for (std::int64_t i = 0; i < ids.size(0); ++i) {
      tokens.push_back(static_cast<TokenId>(ids[i].item<std::int64_t>()));
      counting.push_back(counts[i].item<std::int64_t>() != 0);
    }
    return token_row(tokens, counting);
  }

  std::shared_ptr<const Checkpoint> file;
};

inline const std::filesystem::path kModels = EXPO_SOURCE_DIR "/tests/model/goldens";
inline const std::filesystem::path kTrainingGoldens = EXPO_SOURCE_DIR "/tests/training/goldens";
inline const std::filesystem::path kTrlGoldens = EXPO_SOURCE_DIR "/tests/training/trl_goldens";

/// One of the small models of tests/model/goldens, ready to be trained.
inline TrainableModel trainable(const std::string& name, at::ScalarType compute = at::kFloat,
                                at::Device device = at::kCPU) {
  at::set_num_threads(1);  // more take longer where there is so little to do
  const auto checkpoint = open_any(kModels / name);
  TrainableModel model =
      make_full_model(read_architecture(checkpoint->config(), name), compute, 1, device);
  load_weights(*checkpoint, 0, CancellationToken(), model);
  return model;
}

inline double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a.cpu() - b.cpu()).abs().max().item<double>();
}
inline double largest(const at::Tensor& a) {
  return a.abs().max().item<double>();
}

}  // namespace expo
