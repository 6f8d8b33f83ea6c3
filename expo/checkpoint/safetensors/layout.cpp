#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "expo/checkpoint/safetensors/header.h"
#include "expo/checkpoint/safetensors/layout.h"
#include "expo/core/error.h"
#include "expo/core/json.h"

namespace expo {
namespace {

constexpr std::uint64_t kPage = 4096;

void check_names(const std::vector<OutputTensor>& tensors) {
  std::set<std::string_view> seen;
  for (const OutputTensor& tensor : tensors) {
    if (tensor.name.empty() || tensor.name == "__metadata__") {
      throw usage_error("a safetensors file cannot hold a tensor named \"" + tensor.name + "\"");
    }
    if (!seen.insert(tensor.name).second) {
      throw usage_error("two tensors named \"" + tensor.name + "\" cannot go into one checkpoint");
    }
  }
}

/// Which tensors go into which shard.
std::vector<std::vector<std::size_t>> fill_shards(const std::vector<OutputTensor>& tensors,
                                                  std::uint64_t max_shard_size) {
  std::vector<std::vector<std::size_t>> shards(1);
  std::uint64_t filled = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::uint64_t bytes = tensors[i].bytes();
    if (!shards.back().empty() && (bytes > max_shard_size || filled > max_shard_size - bytes)) {
      shards.emplace_back();
      filled = 0;
    }
    shards.back().push_back(i);
    filled += bytes;
  }
  return shards;
}

std::string header_text(const std::vector<OutputTensor>& tensors, const OutputFile& file) {
  Json header = Json::object();
  append_member(header, "__metadata__", Json{{"format", "pt"}});
  for (const OutputPiece& piece : file.pieces) {
    const OutputTensor& tensor = tensors[piece.tensor];
    append_member(header, tensor.name,
                  Json{{"dtype", safetensors_name(tensor.dtype)},
                       {"shape", tensor.shape},
                       {"data_offsets", {piece.offset, piece.offset + piece.bytes}}});
  }
  std::string text = header.dump();
  text.resize((text.size() + 8 + kPage - 1) / kPage * kPage - 8, ' ');
  if (text.size() > kMaxSafetensorsHeader) {
    throw usage_error(fmt::format(
        "the header of {} would have {} bytes, but the format allows {}; write smaller shards",
        file.name, text.size(), kMaxSafetensorsHeader));
  }
  return text;
}

OutputFile lay_out(const std::vector<OutputTensor>& tensors, std::vector<std::size_t> members,
                   std::string name) {
  // Wider types first keeps every tensor aligned to its own element size, as the reference writer
  // does.
  std::ranges::stable_sort(members, std::ranges::greater{},
                           [&](std::size_t i) { return bit_width(tensors[i].dtype); });
  OutputFile file;
  file.name = std::move(name);
  std::uint64_t position = 0;
  for (const std::size_t i : members) {
    file.pieces.push_back({i, position, tensors[i].bytes()});
    position += file.pieces.back().bytes;
  }
  const std::string text = header_text(tensors, file);
  const std::uint64_t length = text.size();
  file.head.assign(reinterpret_cast<const char*>(&length), 8);
  file.head += text;
  for (OutputPiece& piece : file.pieces) piece.offset += file.head.size();
  file.size = file.head.size() + position;
  return file;
}

std::string index_text(const std::vector<OutputTensor>& tensors, const OutputLayout& layout) {
  Json map = Json::object();
  std::uint64_t total = 0;
  std::vector<const std::string*> file_of(tensors.size());
  for (const OutputFile& file : layout.files) {
    for (const OutputPiece& piece : file.pieces) {
      file_of[piece.tensor] = &file.name;
      total += piece.bytes;
    }
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) append_member(map, tensors[i].name, *file_of[i]);
  Json index = Json::object();
  index["metadata"] = {{"total_size", total}};
  index["weight_map"] = std::move(map);
  return format_json(index);
}

}  // namespace

OutputLayout layout_safetensors(const std::vector<OutputTensor>& tensors,
                                std::uint64_t max_shard_size) {
  check_names(tensors);
  check_output_size(tensors);
  const auto shards = fill_shards(tensors, max_shard_size);
  OutputLayout layout;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name =
        shards.size() == 1 ? "model.safetensors"
                           : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    layout.files.push_back(lay_out(tensors, shards[i], name));
  }
  if (shards.size() > 1) {
    layout.index_name = "model.safetensors.index.json";
    layout.index_text = index_text(tensors, layout);
  }
  return layout;
}

}  // namespace expo
