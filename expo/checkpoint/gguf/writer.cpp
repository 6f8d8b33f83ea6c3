#include "expo/checkpoint/gguf/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "expo/checkpoint/gguf/blocks.h"
#include "expo/checkpoint/gguf/header.h"
#include "expo/checkpoint/tensor.h"
#include "expo/core/error.h"

namespace expo {
namespace {

constexpr std::string_view kFileType = "general.file_type";
constexpr std::string_view kQuantisation = "general.quantization_version";
constexpr std::uint32_t kQuantisationVersion = 2;  // GGML_QNT_VERSION, unchanged since 2023

template <typename Value>
void append_number(std::string& bytes, Value value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void append_string(std::string& bytes, std::string_view text) {
  append_number(bytes, std::uint64_t{text.size()});
  bytes += text;
}

void append_pair(std::string& bytes, std::string_view key, std::uint32_t value) {
  append_string(bytes, key);
  append_number(bytes, static_cast<std::uint32_t>(GgufType::u32));
  append_number(bytes, value);
}

/// The number of a tensor's type in GGUF files.
std::uint32_t type_of(const OutputTensor& tensor) {
  if (tensor.encoding == Encoding::q8_0) return kGgmlQ8_0;
  switch (tensor.dtype) {
    case DType::f32:
    case DType::f16:
    case DType::bf16:
      return ggml_format_of(tensor.dtype)->id;
    default:
      throw usage_error(fmt::format(
          "the tensor \"{}\" cannot be written as {}: GGUF output offers F32, F16, BF16 and Q8_0",
          tensor.name, safetensors_name(tensor.dtype)));
  }
}

void check(const std::vector<OutputTensor>& tensors) {
  std::set<std::string_view> names;
  for (const OutputTensor& tensor : tensors) {
    if (tensor.name.empty() || tensor.name.size() > kMaxGgufName)
      throw usage_error(
          fmt::format("a GGUF file cannot hold a tensor named \"{}\": names have 1 to "
                      "{} bytes",
                      tensor.name, kMaxGgufName));
    if (!names.insert(tensor.name).second)
      throw usage_error(
          fmt::format("two tensors named \"{}\" cannot go into one GGUF file", tensor.name));
    if (tensor.shape.size() > 4)
      throw usage_error(
          fmt::format("the tensor \"{}\" has the shape {}, but GGUF allows 4 "
                      "dimensions",
                      tensor.name, format_shape(tensor.shape)));
    if (type_of(tensor) == kGgmlQ8_0 && (tensor.shape.empty() || tensor.shape.back() % 32 != 0))
      throw usage_error(
          fmt::format("the tensor \"{}\" with the shape {} cannot be written as Q8_0: "
                      "its rows are not multiples of 32",
                      tensor.name, format_shape(tensor.shape)));
  }
}

/// llama.cpp's file type, by the type that most of the values have.
std::uint32_t file_type(const std::vector<OutputTensor>& tensors) {
  std::map<std::uint32_t, std::uint64_t> values;
  for (const OutputTensor& tensor : tensors)
    values[type_of(tensor)] += *element_count(tensor.shape);
  std::uint32_t most = 0;
  for (const auto& [type, count] : values) {
    if (count > values[most]) most = type;
  }
  constexpr std::uint32_t kMostlyQ8_0 = 7;
  constexpr std::uint32_t kMostlyBf16 = 32;
  if (most == kGgmlQ8_0) return kMostlyQ8_0;
  if (most == ggml_format_of(DType::bf16)->id) return kMostlyBf16;
  return most;  // F32 and F16 have the same numbers in both lists
}

/// The source's pairs unchanged, except those that depend on the tensors' types.
std::string metadata_bytes(const GgufMetadata& metadata, const std::vector<OutputTensor>& tensors,
                           std::uint64_t& count) {
  std::string bytes;
  count = metadata.entries().size();
  for (const GgufEntry& entry : metadata.entries()) {
    if (entry.key == kFileType)
      append_pair(bytes, kFileType, file_type(tensors));
    else
      bytes += metadata.raw(entry);
  }
  const auto add = [&](std::string_view key, std::uint32_t value) {
    if (metadata.find(key) != nullptr) return;
    append_pair(bytes, key, value);
    ++count;
  };
  add(kFileType, file_type(tensors));
  const bool quantised = std::ranges::any_of(
      tensors, [](const OutputTensor& tensor) { return tensor.encoding == Encoding::q8_0; });
  if (quantised) add(kQuantisation, kQuantisationVersion);
  return bytes;
}

}  // namespace

OutputLayout layout_gguf(Filesystem& filesystem, const std::filesystem::path& source,
                         const std::vector<OutputTensor>& tensors, const std::string& name) {
  check(tensors);
  check_output_size(tensors);
  const GgufHeader header = read_gguf_header(*filesystem.open(source, Caching::buffered));
  const auto padded = [&](std::uint64_t size) {
    return (size + header.alignment - 1) / header.alignment * header.alignment;
  };
  OutputFile file;
  file.name = name;
  std::uint64_t pairs = 0;
  const std::string metadata = metadata_bytes(header.metadata, tensors, pairs);
  file.head = "GGUF";
  append_number(file.head, std::uint32_t{3});
  append_number(file.head, std::uint64_t{tensors.size()});
  append_number(file.head, pairs);
  file.head += metadata;
  std::uint64_t position = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    append_string(file.head, tensors[i].name);
    append_number(file.head, static_cast<std::uint32_t>(tensors[i].shape.size()));
    for (auto size = tensors[i].shape.rbegin(); size != tensors[i].shape.rend(); ++size)
      append_number(file.head, *size);
    append_number(file.head, type_of(tensors[i]));
    append_number(file.head, position);
    file.pieces.push_back({i, position, tensors[i].bytes()});
    position = padded(position + tensors[i].bytes());
  }
  file.head.resize(static_cast<std::size_t>(padded(file.head.size())), '\0');
  for (OutputPiece& piece : file.pieces) piece.offset += file.head.size();
  file.size = file.head.size() + position;
  OutputLayout layout;
  layout.files.push_back(std::move(file));
  return layout;
}

}  // namespace expo
