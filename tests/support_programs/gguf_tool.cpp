// Shows Python tests the results of the GGUF reader and writer.
//
//   gguf_tool dump native|hugging_face FILE FOLDER PIECE
//     The sidecar files, NAME.bin with each tensor's values, read PIECE elements at a time, and
//     tensors.json with what is said about them.
//   gguf_tool convert FILE FOLDER
//     model.safetensors and the sidecar files: what transformers loads.
//   gguf_tool tokenizer FILE FOLDER
//     The tokenizer files alone, whatever the architecture.
//   gguf_tool write FILE OUT f32|f16|bf16|q8_0
//     The tensors in another type as GGUF, with FILE's metadata. Matrices only; the rest is F32.
//
// Errors: the message on stderr and the exit code of the program expo.
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "expo/checkpoint/gguf/checkpoint.h"
#include "expo/checkpoint/gguf/header.h"
#include "expo/checkpoint/gguf/tokenizer.h"
#include "expo/checkpoint/gguf/writer.h"
#include "expo/checkpoint/safetensors/layout.h"
#include "expo/core/error.h"
#include "expo/core/float_formats.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

void write_file(const fs::path& path, std::string_view bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void write_sidecars(const std::vector<Sidecar>& sidecars, const fs::path& folder) {
  for (const Sidecar& sidecar : sidecars)
    write_file(folder / sidecar.name, std::get<std::string>(sidecar.content));
}

std::string read_tensor(const Checkpoint& checkpoint, std::size_t index, std::uint64_t piece) {
  ReadScratch scratch;
  std::string bytes;
  const std::uint64_t elements = checkpoint.tensors()[index].elements();
  for (std::uint64_t at = 0; at < elements; at += piece) {
    const auto part = checkpoint.read(index, at, std::min(piece, elements - at), scratch);
    bytes.append(reinterpret_cast<const char*>(part.data()), part.size());
  }
  return bytes;
}

void dump(GgufNames names, const fs::path& file, const fs::path& folder, std::uint64_t piece) {
  const auto checkpoint = open_gguf(posix_filesystem(), file, names);
  write_sidecars(checkpoint->sidecars(), folder);
  Json list = Json::array();
  for (std::size_t i = 0; i < checkpoint->tensors().size(); ++i) {
    const Tensor& tensor = checkpoint->tensors()[i];
    list.push_back({{"name", tensor.name},
                    {"shape", tensor.shape},
                    {"dtype", safetensors_name(tensor.dtype)},
                    {"nominal", safetensors_name(tensor.nominal)},
                    {"stored", tensor.stored},
                    {"offset", tensor.extent->offset},
                    {"bytes", tensor.extent->bytes}});
    write_file(folder / (tensor.name + ".bin"), read_tensor(*checkpoint, i, piece));
  }
  const Json all = {{"tensors", list},
                    {"quantised", checkpoint->quantised_formats()},
                    {"warnings", checkpoint->warnings()}};
  write_file(folder / "tensors.json", all.dump());
}

void write_output(const Checkpoint& checkpoint, const OutputLayout& layout, const fs::path& folder,
                  const std::vector<OutputTensor>& tensors) {
  const OutputFile& file = layout.files.front();
  std::string bytes = file.head;
  bytes.resize(static_cast<std::size_t>(file.size), '\0');
  for (const OutputPiece& piece : file.pieces) {
    const OutputTensor& tensor = tensors[piece.tensor];
    const std::string values = read_tensor(checkpoint, piece.tensor, std::uint64_t{1} << 20);
    char* target = bytes.data() + piece.offset;
    const auto count = static_cast<std::size_t>(*element_count(tensor.shape));
    std::vector<float> floats(count);
    if (tensor.dtype == checkpoint.tensors()[piece.tensor].dtype &&
        tensor.encoding == Encoding::plain) {
      std::memcpy(target, values.data(), values.size());
      continue;
    }
    std::memcpy(floats.data(), values.data(), values.size());
    if (tensor.encoding == Encoding::q8_0) {
      quantise_q8_0(floats,
                    {reinterpret_cast<std::byte*>(target), static_cast<std::size_t>(piece.bytes)});
      continue;
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint16_t bits =
          tensor.dtype == DType::bf16 ? double_to_bf16(floats[i]) : double_to_f16(floats[i]);
      std::memcpy(target + 2 * i, &bits, 2);
    }
  }
  write_file(folder / file.name, bytes);
}

void convert(const fs::path& file, const fs::path& folder) {
  const auto checkpoint = open_gguf(posix_filesystem(), file, GgufNames::hugging_face);
  write_sidecars(checkpoint->sidecars(), folder);
  std::vector<OutputTensor> tensors;
  for (const Tensor& tensor : checkpoint->tensors())
    tensors.push_back({tensor.name, tensor.shape, tensor.dtype, Encoding::plain});
  write_output(*checkpoint, layout_safetensors(tensors, ~std::uint64_t{0}), folder, tensors);
}

void write_gguf(const fs::path& file, const fs::path& out, std::string_view type) {
  const auto checkpoint = open_gguf(posix_filesystem(), file, GgufNames::native);
  std::vector<OutputTensor> tensors;
  for (const Tensor& tensor : checkpoint->tensors()) {
    OutputTensor output{tensor.name, tensor.shape, DType::f32, Encoding::plain};
    if (tensor.shape.size() >= 2) {
      if (type == "q8_0")
        output.encoding = Encoding::q8_0;
      else
        output.dtype = *dtype_from_user(type);
    }
    tensors.push_back(output);
  }
  const auto layout = layout_gguf(posix_filesystem(), file, tensors, out.filename().string());
  write_output(*checkpoint, layout, out.parent_path(), tensors);
}

int run(const std::vector<std::string>& words) {
  if (words.size() == 5 && words[0] == "dump") {
    dump(words[1] == "native" ? GgufNames::native : GgufNames::hugging_face, words[2], words[3],
         std::stoull(words[4]));
  } else if (words.size() == 3 && words[0] == "convert") {
    convert(words[1], words[2]);
  } else if (words.size() == 3 && words[0] == "tokenizer") {
    const auto file = posix_filesystem().open(words[1], Caching::buffered);
    const auto tokenizer = make_gguf_tokenizer(read_gguf_header(*file).metadata);
    write_sidecars(tokenizer.sidecars, words[2]);
    write_file(fs::path(words[2]) / "warnings.json", Json(tokenizer.warnings).dump());
  } else if (words.size() == 4 && words[0] == "write") {
    write_gguf(words[1], words[2], words[3]);
  } else {
    throw usage_error("gguf_tool dump|convert|tokenizer|write …");
  }
  return 0;
}

}  // namespace
}  // namespace expo

int main(int argc, char** argv) {
  try {
    return expo::run({argv + 1, argv + argc});
  } catch (const expo::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return expo::exit_code(error.category());
  }
}
