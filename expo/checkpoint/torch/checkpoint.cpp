#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "expo/checkpoint/folder/index_agreement.h"
#include "expo/checkpoint/torch/archive.h"
#include "expo/checkpoint/torch/checkpoint.h"
#include "expo/checkpoint/torch/pickle.h"
#include "expo/checkpoint/torch/state_dict.h"
#include "expo/checkpoint/torch/strided_layout.h"
#include "expo/core/error.h"

namespace expo {
namespace {

/// A tensor and the place of its storage.
struct PlacedTensor {
  Tensor tensor;
  std::uint64_t storage = 0;  ///< offset of its storage in the file
  StridedLayout layout;

  std::uint64_t first_byte() const { return storage + layout.offset * byte_width(tensor.dtype); }
};

/// Makes the tensors of one file from its state_dict, and checks every number in it against the
/// bytes that exist.
class TensorPlacer {
 public:
  TensorPlacer(const ReadableFile& file, std::size_t number)
      : file_(file), where_(file.path().string()), number_(number), archive_(file) {}

  std::vector<PlacedTensor> place(std::vector<std::string>& warnings) {
    const std::vector<std::byte> bytes = archive_.read_pickle_bytes(file_);
    const Pickle pickle = read_pickle(bytes, where_);
    StateDict state_dict = read_state_dict(pickle, where_);
    warnings.insert(warnings.end(), state_dict.warnings.begin(), state_dict.warnings.end());
    std::vector<PlacedTensor> placed;
    for (StateDictEntry& entry : state_dict.entries) placed.push_back(place(std::move(entry)));
    std::ranges::stable_sort(placed, {}, &PlacedTensor::first_byte);
    return placed;
  }

 private:
  [[noreturn]] void fail(const StateDictEntry& entry, const std::string& what) const {
    throw input_error(
        fmt::format("{}: tensor \"{}\": {}; the file is damaged", where_, entry.name, what));
  }

  PlacedTensor place(StateDictEntry entry) const {
    PlacedTensor result;
    result.storage = locate(entry);
    check_shape(entry);
    const DType dtype = entry.storage.dtype;
    result.tensor.name = std::move(entry.name);
    result.tensor.shape = entry.layout.shape;
    result.tensor.dtype = result.tensor.nominal = dtype;
    result.tensor.stored = torch_name(dtype);
    // An empty tensor may be a slice at any offset, even beyond its storage.
    if (result.tensor.elements() == 0) entry.layout.offset = 0;
    result.layout = std::move(entry.layout);
    if (is_contiguous(result.layout)) {
      result.tensor.extent =
          Extent{number_, result.first_byte(), result.tensor.elements() * byte_width(dtype)};
    }
    return result;
  }

  std::uint64_t locate(const StateDictEntry& entry) const {
    const PickledStorage& storage = entry.storage;
    const ZipMember* member = archive_.storage(storage.key);
    if (member == nullptr) {
      fail(entry, fmt::format("its storage \"{}\" is not in the archive", storage.key));
    }
    const auto bytes = byte_size(storage.dtype, storage.elements);
    if (!bytes || *bytes != member->size) {
      fail(entry, fmt::format("its storage \"{}\" of {} elements of {} has {} bytes", storage.key,
                              storage.elements, torch_name(storage.dtype), member->size));
    }
    return member->offset;
  }

  void check_shape(const StateDictEntry& entry) const {
    const auto elements = element_count(entry.layout.shape);
    if (!elements || !byte_size(entry.storage.dtype, *elements)) {
      fail(entry, fmt::format("the shape {} of {} has no size in bytes below 2^64",
                              format_shape(entry.layout.shape), torch_name(entry.storage.dtype)));
    }
    const auto last = reach(entry.layout);
    if (!last || *last > entry.storage.elements) {
      fail(entry, fmt::format("shape {}, stride {} and offset {} leave its storage of {} elements",
                              format_shape(entry.layout.shape), format_shape(entry.layout.stride),
                              entry.layout.offset, entry.storage.elements));
    }
    if (*elements > entry.storage.elements) refuse_repeats(entry, *elements);
  }

  /// Otherwise a few bytes could expand to any number of values.
  [[noreturn]] void refuse_repeats(const StateDictEntry& entry, std::uint64_t elements) const {
    throw input_error(fmt::format(
        "{}: tensor \"{}\": shape {} and stride {} repeat the {} elements of its storage to {}, "
        "as expand() does, which is not supported; save it again with tensor.contiguous()",
        where_, entry.name, format_shape(entry.layout.shape), format_shape(entry.layout.stride),
        entry.storage.elements, elements));
  }

  const ReadableFile& file_;
  std::string where_;
  std::size_t number_;
  TorchArchive archive_;
};

class TorchCheckpoint final : public Checkpoint {
 public:
  TorchCheckpoint(Filesystem& filesystem, const WeightFiles& weights) {
    format_ = "PyTorch";
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
    if (weights.total_size) check_total_size(*weights.total_size, stale_bytes);
  }

  std::span<const std::byte> read(std::size_t index, std::uint64_t first, std::uint64_t count,
                                  ReadScratch& scratch) const override {
    const Tensor& tensor = tensors_[index];
    const Source& source = sources_[index];
    const std::size_t width = byte_width(tensor.dtype);
    try {
      if (tensor.extent) {
        return read_raw(source.file, tensor.extent->offset + first * width, count * width, scratch);
      }
      const auto out = scratch.decoded.get(static_cast<std::size_t>(count) * width);
      const auto read_storage = [&](std::uint64_t begin, std::uint64_t elements) {
        return read_raw(source.file, source.storage + begin * width, elements * width, scratch);
      };
      gather(source.layout, first, count, width, read_storage, out.data());
      return out.first(static_cast<std::size_t>(count) * width);
    } catch (const Error& error) {
      throw Error(error.category(), fmt::format("{} (tensor \"{}\")", error.what(), tensor.name));
    }
  }

 private:
  /// Where the elements of tensors_[i] are.
  struct Source {
    std::size_t file = 0;
    std::uint64_t storage = 0;
    StridedLayout layout;
  };

  void add_file(Filesystem& filesystem, const std::filesystem::path& path) {
    auto file = filesystem.open(path, Caching::direct);
    const std::size_t number = files_.size();
    for (PlacedTensor& placed : TensorPlacer(*file, number).place(warnings_)) {
      tensors_.push_back(std::move(placed.tensor));
      sources_.push_back({number, placed.storage, std::move(placed.layout)});
    }
    files_.push_back({path, file->size(), std::nullopt});
    open_.push_back(std::move(file));
  }

  std::span<const std::byte> read_raw(std::size_t file, std::uint64_t offset, std::uint64_t length,
                                      ReadScratch& scratch) const {
    const auto bytes = open_[file]->read(offset, static_cast<std::size_t>(length), scratch.raw);
    if (scratch.observer != nullptr) scratch.observer->file_bytes(file, offset, bytes);
    return bytes;
  }

  /// The file of every tensor.
  std::vector<std::size_t> file_of() const {
    std::vector<std::size_t> result;
    for (const Source& source : sources_) result.push_back(source.file);
    return result;
  }

  /// Returns the bytes that were dropped, 2^64 − 1 where they are more: views may overlap.
  std::uint64_t drop_stale_copies(const WeightFiles& weights) {
    const std::vector<bool> stale = find_stale_copies(weights, tensors_, file_of(), warnings_);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const std::uint64_t bytes = tensors_[i].elements() * byte_width(tensors_[i].dtype);
      if (stale[i] && __builtin_add_overflow(sum, bytes, &sum)) sum = UINT64_MAX;
    }
    erase_marked(tensors_, stale);
    erase_marked(sources_, stale);
    return sum;
  }

  /// Versions of transformers differ in whether tied tensors count once or every time, and writers
  /// in whether stale copies count.
  void check_total_size(std::uint64_t claimed, std::uint64_t stale_bytes) const {
    std::uint64_t every = 0;
    std::uint64_t once = 0;
    std::set<std::tuple<std::size_t, std::uint64_t, std::uint64_t>> seen;
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const std::uint64_t width = byte_width(tensors_[i].dtype);
      const std::uint64_t bytes = tensors_[i].elements() * width;
      const Source& source = sources_[i];
      const bool fresh = seen.emplace(source.file, source.storage, source.layout.offset).second;
      if (__builtin_add_overflow(every, bytes, &every)) every = UINT64_MAX;
      if (fresh && __builtin_add_overflow(once, bytes, &once)) once = UINT64_MAX;
    }
    const auto lies_between = [&](std::uint64_t total) { return total >= once && total <= every; };
    if (lies_between(claimed)) return;
    if (claimed >= stale_bytes && lies_between(claimed - stale_bytes)) return;
    throw input_error(fmt::format(
        "{}: total_size is {} but the tensors (\"{}\" and so on) take {} bytes; the index does not "
        "belong to these files (if you know that it does, remove the field total_size)",
        location_, claimed, tensors_.front().name, every));
  }

  std::vector<std::unique_ptr<ReadableFile>> open_;
  std::vector<Source> sources_;
};

}  // namespace

std::unique_ptr<Checkpoint> open_torch(Filesystem& filesystem, const WeightFiles& weights) {
  return std::make_unique<TorchCheckpoint>(filesystem, weights);
}

}  // namespace expo
