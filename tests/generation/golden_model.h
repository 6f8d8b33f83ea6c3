#pragma once

#include <ATen/ATen.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/model/decoder.h"
#include "expo/model/live/live_weights.h"
#include "expo/text/tokenizer.h"
#include "support/safetensors_bytes.h"
#include "support/temporary_folder.h"

namespace expo {

/// One of the small models of tests/model/goldens, and what transformers computed with it.
struct GoldenModel {
  /// `name` may also be the path of another such folder.
  explicit GoldenModel(const std::filesystem::path& name, const LiveWeightsOptions& options = {})
      : folder(std::filesystem::path(EXPO_SOURCE_DIR "/tests/model/goldens") / name),
        checkpoint(open(folder.string())),
        architecture(read_architecture(checkpoint->config(), name.string())),
        weights(architecture, checkpoint, nullptr, options, CancellationToken()),
        own_decoder(weights.make_decoder()),
        decoder(*own_decoder),
        golden(open((folder / "golden.safetensors").string())) {}

  static std::shared_ptr<const Checkpoint> open(const std::string& path) {
    return open_checkpoint(posix_filesystem(), path, {}, hugging_face_environment());
  }

  template <typename Value>
  std::vector<Value> values(const std::string& name) const {
    const std::size_t index = golden->find(name).value();
    ReadScratch scratch;
    const auto bytes = golden->read(index, 0, golden->tensors()[index].elements(), scratch);
    std::vector<Value> result(bytes.size() / sizeof(Value));
    std::memcpy(result.data(), bytes.data(), bytes.size());
    return result;
  }
  std::vector<TokenId> ids(const std::string& name) const {
    const auto wide = values<std::int64_t>(name);
    return {wide.begin(), wide.end()};
  }

  std::filesystem::path folder;
  std::shared_ptr<const Checkpoint> checkpoint;
  Architecture architecture;
  LiveWeights weights;
  std::unique_ptr<Decoder> own_decoder;
  Decoder& decoder;
  std::shared_ptr<const Checkpoint> golden;
};

/// Makes a copy of a golden model whose tensor `name` holds only `value`, and returns the folder's
/// path.
inline std::filesystem::path write_damaged(const TemporaryFolder& folder, const std::string& model,
                                           const std::string& name, float value) {
  const GoldenModel sound(model);
  Json header = Json::object();
  std::string data;
  ReadScratch scratch;
  for (std::size_t i = 0; i < sound.checkpoint->tensors().size(); ++i) {
    const Tensor& tensor = sound.checkpoint->tensors()[i];
    const auto bytes = sound.checkpoint->read(i, 0, tensor.elements(), scratch);
    std::vector<float> values(bytes.size() / sizeof(float), value);
    if (tensor.name != name) std::memcpy(values.data(), bytes.data(), bytes.size());
    const std::size_t first = data.size();
    data.append(reinterpret_cast<const char*>(values.data()), bytes.size());
    header[tensor.name] = {
        {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {first, data.size()}}};
  }
  folder.write("model.safetensors", safetensors_bytes(header.dump(), data));
  for (const char* file : {"config.json", "golden.safetensors"})
    std::filesystem::copy_file(sound.folder / file, folder / file);
  return folder.path();
}

/// A tokenizer in which the token with id N reads "tN ".
inline Tokenizer numbered_tokenizer(int size) {
  std::string vocabulary;
  for (int i = 0; i < size; ++i)
    vocabulary += (i == 0 ? "\"t" : ",\"t") + std::to_string(i) + " \":" + std::to_string(i);
  return Tokenizer::from_json(
      R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,)"
      R"("pre_tokenizer":null,"post_processor":null,"decoder":{"type":"Fuse"},)"
      R"("model":{"type":"WordLevel","vocab":{)" +
          vocabulary + R"(},"unk_token":"t0 "}})",
      "numbered");
}

}  // namespace expo
