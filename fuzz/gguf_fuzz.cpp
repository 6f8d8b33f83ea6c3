// Reads any bytes as a GGUF file: opens it under its own names and under Hugging Face's, reads it
// in pieces that must add up, and lays it out again.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "expo/checkpoint/gguf/checkpoint.h"
#include "expo/checkpoint/gguf/header.h"
#include "expo/checkpoint/gguf/tokenizer.h"
#include "expo/checkpoint/gguf/writer.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"

namespace {

constexpr const char* kFile = "/m.gguf";

void require(bool holds) {
  if (!holds) __builtin_trap();
}

std::vector<std::byte> read(const expo::Checkpoint& checkpoint, std::size_t index,
                            std::uint64_t first, std::uint64_t count) {
  expo::ReadScratch scratch;
  const auto bytes = checkpoint.read(index, first, count, scratch);
  return {bytes.begin(), bytes.end()};
}

void read_tensors(const expo::Checkpoint& checkpoint) {
  for (std::size_t i = 0; i < checkpoint.tensors().size(); ++i) {
    const auto& tensor = checkpoint.tensors()[i];
    const std::uint64_t elements = tensor.elements();
    if (elements > 4096) continue;
    const auto whole = read(checkpoint, i, 0, elements);
    require(whole.size() == elements * expo::byte_width(tensor.dtype));
    const std::uint64_t cut = elements * 2 / 3;
    auto parts = read(checkpoint, i, 0, cut);
    const auto rest = read(checkpoint, i, cut, elements - cut);
    parts.insert(parts.end(), rest.begin(), rest.end());
    require(parts == whole);
  }
}

void lay_out_again(expo::Filesystem& filesystem, const expo::Checkpoint& checkpoint) {
  std::vector<expo::OutputTensor> tensors;
  for (const auto& tensor : checkpoint.tensors())
    tensors.push_back({tensor.name, tensor.shape, expo::DType::bf16, expo::Encoding::plain});
  const auto layout = expo::layout_gguf(filesystem, kFile, tensors, "out.gguf");
  const auto& file = layout.files.front();
  if (file.size > std::uint64_t{1} << 20) return;
  std::string bytes = file.head;
  bytes.resize(static_cast<std::size_t>(file.size));
  filesystem.write_text("/out.gguf", bytes);
  const auto header =
      expo::read_gguf_header(*filesystem.open("/out.gguf", expo::Caching::buffered));
  require(header.tensors.size() == tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i)
    require(header.tensors[i].offset == file.pieces[i].offset);
}

template <typename Work>
bool accepts(Work work) {
  try {
    work();
    return true;
  } catch (const expo::Error& error) {
    require(error.category() == expo::ErrorCategory::input);
    require(std::string_view(error.what()).find(kFile) != std::string_view::npos);
    return false;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static auto& filesystem = *new expo::MemoryFilesystem();  // for as long as the process lives
  filesystem.write_text(kFile, {reinterpret_cast<const char*>(data), size});
  const bool native = accepts([] {
    const auto checkpoint = expo::open_gguf(filesystem, kFile, expo::GgufNames::native);
    read_tensors(*checkpoint);
    lay_out_again(filesystem, *checkpoint);
  });
  if (!native) return 0;
  accepts([] {
    const auto file = filesystem.open(kFile, expo::Caching::buffered);
    expo::make_gguf_tokenizer(expo::read_gguf_header(*file).metadata);
  });
  accepts([] { read_tensors(*expo::open_gguf(filesystem, kFile, expo::GgufNames::hugging_face)); });
  return 0;
}
