// Reads any bytes as a file of torch.save: zip directory, pickle, storages. If it opens, both ends
// and the middle of every tensor can be read, and a contiguous tensor is where its extent says.
#include <algorithm>
#include <cstdint>

#include "expo/checkpoint/folder/weight_index.h"
#include "expo/checkpoint/torch/checkpoint.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"

namespace {

void require(bool condition) {
  if (!condition) __builtin_trap();
}

void read_parts(const expo::Checkpoint& checkpoint) {
  expo::ReadScratch scratch;
  for (std::size_t i = 0; i < checkpoint.tensors().size(); ++i) {
    const expo::Tensor& tensor = checkpoint.tensors()[i];
    const std::uint64_t elements = tensor.elements();
    const std::uint64_t count = std::min<std::uint64_t>(elements, 100);
    const std::size_t width = expo::byte_width(tensor.dtype);
    for (const std::uint64_t first : {std::uint64_t{0}, (elements - count) / 2, elements - count}) {
      require(checkpoint.read(i, first, count, scratch).size() == count * width);
    }
    if (tensor.extent) require(tensor.extent->bytes == elements * width);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  expo::MemoryFilesystem filesystem;
  filesystem.write_text("m.bin", {reinterpret_cast<const char*>(data), size});
  expo::WeightFiles weights;
  weights.files.emplace_back("m.bin");
  try {
    read_parts(*expo::open_torch(filesystem, weights));
  } catch (const expo::Error& error) {
    require(error.category() == expo::ErrorCategory::input);
  }
  return 0;
}
