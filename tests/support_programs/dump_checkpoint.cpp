// Prints what a reader returns for weight files, for tests in Python: for each tensor an object
// with name, dtype, shape, the extent's bytes (or null) and the values as hexadecimal digits, read
// in pieces of the given number of elements (0: all at once).
//   dump_checkpoint torch|safetensors PIECE FILE
// A FILE that ends in .index.json names shards. A refusal exits with code 3 and a line on stderr.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "expo/checkpoint/folder/weight_index.h"
#include "expo/checkpoint/safetensors/checkpoint.h"
#include "expo/checkpoint/torch/checkpoint.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/error.h"
#include "expo/core/json.h"

namespace {

/// Counts the bytes read, range by range.
class Counter final : public expo::FileBytesObserver {
 public:
  void file_bytes(std::size_t, std::uint64_t, std::span<const std::byte> bytes) override {
    total += bytes.size();
    ++calls;
  }
  std::uint64_t total = 0;
  std::uint64_t calls = 0;
};

std::string hexadecimal(std::span<const std::byte> bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += kDigits[std::to_integer<int>(byte >> 4)];
    text += kDigits[std::to_integer<int>(byte & std::byte{15})];
  }
  return text;
}

expo::WeightFiles find_files(const std::string& path) {
  if (path.ends_with(".index.json")) {
    return expo::read_weight_index(expo::posix_filesystem(), path);
  }
  expo::WeightFiles weights;
  weights.files.emplace_back(path);
  return weights;
}

expo::Json dump(const expo::Checkpoint& checkpoint, std::uint64_t piece) {
  Counter counter;
  expo::ReadScratch scratch;
  scratch.observer = &counter;
  expo::Json tensors = expo::Json::array();
  for (std::size_t i = 0; i < checkpoint.tensors().size(); ++i) {
    const expo::Tensor& tensor = checkpoint.tensors()[i];
    const std::uint64_t step = piece == 0 ? tensor.elements() : piece;
    std::string values;
    for (std::uint64_t first = 0; first < tensor.elements(); first += step) {
      const std::uint64_t count = std::min(step, tensor.elements() - first);
      values += hexadecimal(checkpoint.read(i, first, count, scratch));
    }
    tensors.push_back({{"name", tensor.name},
                       {"dtype", expo::torch_name(tensor.dtype)},
                       {"shape", tensor.shape},
                       {"extent", tensor.extent ? expo::Json(tensor.extent->bytes) : expo::Json()},
                       {"values", values}});
  }
  return {{"format", checkpoint.format()},
          {"warnings", checkpoint.warnings()},
          {"bytes_read", counter.total},
          {"reads", counter.calls},
          {"tensors", tensors}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  try {
    const expo::WeightFiles weights = find_files(argv[3]);
    auto& filesystem = expo::posix_filesystem();
    const auto checkpoint = std::strcmp(argv[1], "torch") == 0
                                ? expo::open_torch(filesystem, weights)
                                : expo::open_safetensors(filesystem, weights);
    std::puts(dump(*checkpoint, std::strtoull(argv[2], nullptr, 10)).dump().c_str());
    return 0;
  } catch (const expo::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return expo::exit_code(error.category());
  }
}
