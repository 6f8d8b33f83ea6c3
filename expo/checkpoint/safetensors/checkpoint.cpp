#include <fmt/format.h>

#include "expo/checkpoint/folder/index_agreement.h"
#include "expo/checkpoint/safetensors/checkpoint.h"
#include "expo/checkpoint/safetensors/header.h"
#include "expo/core/error.h"

namespace expo {
namespace {

class SafetensorsCheckpoint final : public Checkpoint {
 public:
  SafetensorsCheckpoint(Filesystem& filesystem, const WeightFiles& weights) {
    format_ = "safetensors";
    warnings_ = weights.warnings;
    location_ = (weights.index.empty() ? weights.files.front() : weights.index).string();
    for (const auto& path : weights.files) add_file(filesystem, path);
    const std::uint64_t stale_bytes = drop_stale_copies(weights);
    if (weights.index.empty()) {
      check_no_copies(weights, tensors_, file_of());
    } else {
      check_index_agreement(weights, tensors_, file_of());
    }
    index_tensors();
    if (weights.total_size) check_total_size(*weights.total_size, stale_bytes, location_);
  }

  std::span<const std::byte> read(std::size_t index, std::uint64_t first, std::uint64_t count,
                                  ReadScratch& scratch) const override {
    const Tensor& tensor = tensors_[index];
    const std::uint64_t bits = bit_width(tensor.dtype);
    const std::uint64_t offset = tensor.extent->offset + first * bits / 8;
    try {
      const auto bytes = bytes_at(*open_[tensor.extent->file], offset,
                                  static_cast<std::size_t>(count * bits / 8), scratch);
      if (scratch.observer != nullptr)
        scratch.observer->file_bytes(tensor.extent->file, offset, bytes);
      return bytes;
    } catch (const Error& error) {
      throw Error(error.category(), fmt::format("{} (tensor \"{}\")", error.what(), tensor.name));
    }
  }

 private:
  static std::span<const std::byte> bytes_at(const ReadableFile& file, std::uint64_t offset,
                                             std::size_t length, ReadScratch& scratch) {
    if (scratch.takes_views) {
      if (const auto view = file.view(offset, length)) return *view;
    }
    return file.read(offset, length, scratch.raw);
  }

  void add_file(Filesystem& filesystem, const std::filesystem::path& path) {
    auto file = filesystem.open(path, Caching::direct);
    SafetensorsHeader header = read_safetensors_header(*file);
    const std::size_t number = files_.size();
    for (SafetensorsEntry& entry : header.entries) {
      Tensor tensor;
      tensor.name = std::move(entry.name);
      tensor.shape = std::move(entry.shape);
      tensor.dtype = tensor.nominal = entry.dtype;
      tensor.stored = safetensors_name(entry.dtype);
      tensor.extent = Extent{number, header.data_offset + entry.begin, entry.end - entry.begin};
      tensors_.push_back(std::move(tensor));
    }
    files_.push_back({path, file->size(), std::nullopt});
    open_.push_back(std::move(file));
  }

  /// Returns the index of the file of every tensor.
  std::vector<std::size_t> file_of() const {
    std::vector<std::size_t> result;
    for (const Tensor& tensor : tensors_) result.push_back(tensor.extent->file);
    return result;
  }

  /// Returns the number of bytes that were dropped.
  std::uint64_t drop_stale_copies(const WeightFiles& weights) {
    const std::vector<bool> stale = find_stale_copies(weights, tensors_, file_of(), warnings_);
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      if (stale[i]) bytes += tensors_[i].extent->bytes;
    }
    erase_marked(tensors_, stale);
    return bytes;
  }

  /// Some writers count the stale copies, and transformers has written totals that count a tied
  /// embedding twice; any other difference means that index and shards do not belong together.
  void check_total_size(std::uint64_t claimed, std::uint64_t stale_bytes,
                        const std::string& where) {
    std::uint64_t total = 0;
    for (const Tensor& tensor : tensors_) total += tensor.extent->bytes;
    const auto is_total = [&](std::uint64_t twice) {
      return claimed == total + twice || claimed == total + stale_bytes + twice;
    };
    if (is_total(0)) return;
    for (const Tensor& tensor : tensors_) {
      const bool tied = tensor.name.find("embed") != std::string::npos ||
                        tensor.name.find("lm_head") != std::string::npos;
      if (tied && is_total(tensor.extent->bytes)) {
        warnings_.push_back(fmt::format("{}: total_size counts \"{}\" twice", where, tensor.name));
        return;
      }
    }
    throw input_error(fmt::format(
        "{}: total_size is {} but the tensors (\"{}\" and so on) take {} bytes; the index does not "
        "belong to these files (if it does, remove the field total_size)",
        where, claimed, tensors_.empty() ? "" : tensors_.front().name, total));
  }

  std::vector<std::unique_ptr<ReadableFile>> open_;
};

}  // namespace

std::unique_ptr<Checkpoint> open_safetensors(Filesystem& filesystem, const WeightFiles& weights) {
  return std::make_unique<SafetensorsCheckpoint>(filesystem, weights);
}

}  // namespace expo
