// Shows Python tests what the library makes of PEFT adapters:
//   lora_tool merge BASE ADAPTER… OUT BLOCK   writes OUT, every tensor as it is delivered, read in
//                                             blocks of BLOCK elements, and prints a JSON object
//   lora_tool scale ADAPTER OUT ALPHA         writes the files of the scaled adapter to OUT
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "expo/checkpoint/lora/adapter.h"
#include "expo/checkpoint/lora/scaling.h"
#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/checkpoint/output_layout.h"
#include "expo/checkpoint/safetensors/layout.h"
#include "expo/core/error.h"
#include "expo/core/json.h"

namespace expo {
namespace {

std::string values_of(const Checkpoint& model, std::size_t index, std::uint64_t block) {
  std::string values;
  ReadScratch scratch;
  const std::uint64_t elements = model.tensors()[index].elements();
  for (std::uint64_t first = 0; first < elements; first += block) {
    const auto part = model.read(index, first, std::min(block, elements - first), scratch);
    values.append(reinterpret_cast<const char*>(part.data()), part.size());
  }
  return values;
}

std::string file_of(const Checkpoint& model, std::uint64_t block) {
  std::vector<OutputTensor> outputs;
  for (const Tensor& tensor : model.tensors()) {
    outputs.push_back({tensor.name, tensor.shape, tensor.dtype, Encoding::plain});
  }
  const OutputLayout layout = layout_safetensors(outputs, ~std::uint64_t{0});
  std::string text = layout.files[0].head;
  text.resize(layout.files[0].size);
  for (const OutputPiece& piece : layout.files[0].pieces) {
    const std::string values = values_of(model, piece.tensor, block);
    std::memcpy(text.data() + piece.offset, values.data(), values.size());
  }
  return text;
}

void merge(const std::vector<std::string>& arguments) {
  Filesystem& filesystem = posix_filesystem();
  auto model = open_checkpoint(filesystem, arguments[1], {}, {});
  for (std::size_t i = 2; i + 2 < arguments.size(); ++i) {
    model = apply_lora(filesystem, model, arguments[i]);
  }
  filesystem.write_text(arguments[arguments.size() - 2],
                        file_of(*model, std::stoull(arguments.back())));
  Json nominal = Json::object();
  for (const Tensor& tensor : model->tensors()) nominal[tensor.name] = torch_name(tensor.nominal);
  Json sidecars = Json::array();
  for (const Sidecar& sidecar : model->sidecars()) sidecars.push_back(sidecar.name);
  Json files = Json::array();
  for (const SourceFile& file : model->files()) files.push_back(file.path.filename().string());
  const Json report = {{"config", model->config()},     {"nominal", nominal},
                       {"format", model->format()},     {"files", files},
                       {"warnings", model->warnings()}, {"sidecars", sidecars}};
  std::fputs(format_json(report).c_str(), stdout);
}

void scale(const std::vector<std::string>& arguments) {
  Filesystem& filesystem = posix_filesystem();
  const std::filesystem::path out = arguments[2];
  filesystem.create_directory(out);
  for (const auto& [name, text] :
       scale_adapter(filesystem, arguments[1], std::stod(arguments[3]))) {
    filesystem.write_text(out / name, text);
  }
}

}  // namespace
}  // namespace expo

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() >= 5 && arguments[0] == "merge") {
      expo::merge(arguments);
    } else if (arguments.size() == 4 && arguments[0] == "scale") {
      expo::scale(arguments);
    } else {
      return 2;
    }
  } catch (const expo::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return expo::exit_code(error.category());
  }
  return 0;
}
