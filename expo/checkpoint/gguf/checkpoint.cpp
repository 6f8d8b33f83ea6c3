#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "expo/checkpoint/gguf/checkpoint.h"
#include "expo/checkpoint/gguf/config.h"
#include "expo/checkpoint/gguf/header.h"
#include "expo/checkpoint/gguf/names.h"
#include "expo/checkpoint/gguf/tokenizer.h"
#include "expo/core/error.h"
#include "expo/core/float_formats.h"

namespace expo {
namespace {

/// A head up to this size is read whole when a range cuts through it; a larger one is read row by
/// row.
constexpr std::uint64_t kMaxHeadBytes = std::uint64_t{8} << 20;

/// The maximum number of rotary frequencies of a head.
constexpr std::uint64_t kMaxRopeFactors = 65536;

/// How one tensor is read and delivered.
struct Source {
  std::uint64_t offset = 0;
  GgmlFormat format;
  GgufTransform transform = GgufTransform::none;
  std::uint64_t row = 1;        ///< values in a row
  std::uint64_t head_rows = 1;  ///< for unpermute
  bool decoded = false;         ///< delivered as f32 rather than as stored
  std::uint64_t width = 4;      ///< bytes of a delivered value
};

/// The stored bytes of whole blocks, and the index of the first value in them.
struct Stored {
  std::span<const std::byte> bytes;
  std::uint64_t first = 0;
};

class GgufCheckpoint final : public Checkpoint {
 public:
  GgufCheckpoint(Filesystem& filesystem, const std::filesystem::path& path, GgufNames names)
      : file_(filesystem.open(path, Caching::direct)) {
    format_ = "GGUF";
    location_ = path.string();
    files_.push_back({path, file_->size(), std::nullopt});
    const GgufHeader header = read_gguf_header(*file_);
    refuse_split(header.metadata);
    if (names == GgufNames::native)
      add_native_tensors(header);
    else
      add_hugging_face_tensors(header);
    note_quantised_formats();
    if (header.end < file_->size())
      warnings_.push_back(fmt::format("{}: {} bytes after the last tensor belong to no tensor",
                                      location_, file_->size() - header.end));
    index_tensors();
  }

  std::span<const std::byte> read(std::size_t index, std::uint64_t first, std::uint64_t count,
                                  ReadScratch& scratch) const override {
    if (count == 0) return {};
    try {
      const Source& source = sources_[index];
      const Stored stored = load(source, first, count, scratch.raw, scratch.observer);
      if (source.transform == GgufTransform::unpermute)
        return read_unpermuted(source, first, count, stored, scratch);
      if (!source.decoded) return stored.bytes;
      const auto out = scratch.decoded.get(static_cast<std::size_t>(count * source.width));
      deliver(source, stored, first, count, out.data());
      return out;
    } catch (const Error& error) {
      throw Error(error.category(),
                  fmt::format("{} (tensor \"{}\")", error.what(), tensors_[index].name));
    }
  }

 private:
  // Opening

  static void refuse_split(const GgufMetadata& metadata) {
    const auto parts = metadata.integer("split.count");
    if (parts && *parts > 1)
      throw input_error(
          fmt::format("{}: the file is one of {} parts of a split GGUF model; join them first: "
                      "llama-gguf-split --merge",
                      metadata.where(), *parts));
  }

  void add_native_tensors(const GgufHeader& header) {
    for (const GgufTensor& tensor : header.tensors)
      add_tensor(tensor, tensor.name, GgufTransform::none, 1);
  }

  void add_hugging_face_tensors(const GgufHeader& header) {
    const GgufArchitecture& architecture = gguf_architecture(header.metadata);
    const GgufDimensions dimensions = gguf_dimensions(header, architecture);
    for (const auto& tensor : hugging_face_tensors(header, architecture, dimensions)) {
      const GgufTensor& source = header.tensors[tensor.source];
      const std::uint64_t rows = source.shape.empty() ? 1 : source.shape.front();
      add_tensor(source, tensor.name, tensor.transform, rows / tensor.heads);
    }
    const std::vector<float> factors = read_rope_factors(header);
    GgufConfigs configs = make_gguf_configs(header, architecture, dimensions, factors,
                                            main_dtype(elements_by_type()));
    GgufTokenizer tokenizer = make_gguf_tokenizer(header.metadata);
    sidecars_.push_back({"config.json", format_json(configs.config)});
    sidecars_.push_back({"generation_config.json", format_json(configs.generation)});
    std::ranges::move(tokenizer.sidecars, std::back_inserter(sidecars_));
    std::ranges::move(tokenizer.warnings, std::back_inserter(warnings_));
    config_ = std::move(configs.config);
  }

  void add_tensor(const GgufTensor& from, std::string name, GgufTransform transform,
                  std::uint64_t head_rows) {
    const bool decoded = !from.format.plain || transform == GgufTransform::subtract_one;
    if (transform == GgufTransform::subtract_one && from.format.plain &&
        !supports_arithmetic(*from.format.plain)) {
      throw input_error(fmt::format("{}: the norm \"{}\" is stored as {}, which holds no weights",
                                    location_, from.name, from.format.name));
    }
    Tensor tensor;
    tensor.name = std::move(name);
    tensor.shape = from.shape;
    tensor.dtype = decoded ? DType::f32 : *from.format.plain;
    tensor.nominal = from.format.plain.value_or(DType::f32);
    tensor.stored = from.format.name;
    tensor.extent = Extent{0, from.offset, from.bytes};
    const std::uint64_t elements = tensor.elements();
    const std::uint64_t rows = tensor.shape.empty() ? 1 : tensor.shape.front();
    sources_.push_back({from.offset, from.format, transform, rows == 0 ? 1 : elements / rows,
                        head_rows, decoded, byte_width(tensor.dtype)});
    tensors_.push_back(std::move(tensor));
  }

  void note_quantised_formats() {
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const bool known =
          std::ranges::find(quantised_formats_, tensors_[i].stored) != quantised_formats_.end();
      if (!sources_[i].format.plain && !known) quantised_formats_.push_back(tensors_[i].stored);
    }
  }

  std::map<DType, std::uint64_t> elements_by_type() const {
    std::map<DType, std::uint64_t> elements;
    for (const Tensor& tensor : tensors_) elements[tensor.nominal] += tensor.elements();
    return elements;
  }

  std::vector<float> read_rope_factors(const GgufHeader& header) const {
    const GgufTensor* tensor = find_tensor(header, "rope_freqs.weight");
    if (tensor == nullptr) return {};
    if (tensor->format.plain != DType::f32 || tensor->shape.size() != 1 ||
        tensor->shape[0] > kMaxRopeFactors) {
      throw input_error(location_ +
                        ": the tensor \"rope_freqs.weight\" is not a short list of 32-bit floats");
    }
    std::vector<float> factors(static_cast<std::size_t>(tensor->shape[0]));
    AlignedBuffer scratch;
    const auto bytes =
        file_->read(tensor->offset, static_cast<std::size_t>(tensor->bytes), scratch);
    if (!factors.empty()) std::memcpy(factors.data(), bytes.data(), bytes.size());
    return factors;
  }

  // Reading

  /// Loads the blocks that hold the values [first, first + count) in the file's order.
  Stored load(const Source& source, std::uint64_t first, std::uint64_t count,
              AlignedBuffer& scratch, FileBytesObserver* observer) const {
    const GgmlFormat& format = source.format;
    const std::uint64_t begin = first / format.elements;
    const std::uint64_t end = (first + count + format.elements - 1) / format.elements;
    const std::uint64_t offset = source.offset + begin * format.bytes;
    const auto bytes =
        file_->read(offset, static_cast<std::size_t>((end - begin) * format.bytes), scratch);
    if (observer != nullptr) observer->file_bytes(0, offset, bytes);
    return {bytes, begin * format.elements};
  }

  /// Writes the values [first, first + count) in the file's order, which `stored` must hold, in the
  /// form in which they are delivered.
  static void deliver(const Source& source, const Stored& stored, std::uint64_t first,
                      std::uint64_t count, std::byte* out) {
    const std::uint64_t skip = first - stored.first;
    if (!source.decoded) {
      std::memcpy(out, stored.bytes.data() + skip * source.width,
                  static_cast<std::size_t>(count * source.width));
      return;
    }
    const std::span values(reinterpret_cast<float*>(out), static_cast<std::size_t>(count));
    if (source.format.plain)
      widen(*source.format.plain, stored.bytes, skip, values);
    else
      dequantise(source.format, stored.bytes, skip, values);
    if (source.transform == GgufTransform::subtract_one) {
      for (float& value : values) value -= 1.0F;
    }
  }

  /// Converts plainly stored values to float32; f64 is rounded to nearest.
  static void widen(DType type, std::span<const std::byte> bytes, std::uint64_t skip,
                    std::span<float> values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::byte* from = bytes.data() + (skip + i) * byte_width(type);
      if (type == DType::f32) {
        std::memcpy(&values[i], from, sizeof(float));
      } else if (type == DType::f64) {
        double value = 0;
        std::memcpy(&value, from, sizeof(value));
        values[i] = static_cast<float>(value);
      } else {
        std::uint16_t bits = 0;
        std::memcpy(&bits, from, sizeof(bits));
        values[i] =
            static_cast<float>(type == DType::f16 ? f16_to_double(bits) : bf16_to_double(bits));
      }
    }
  }

  /// Rows are permuted within heads only, so that almost all of a range is in the same range of the
  /// file, which `stored` holds; the missing rows of the heads at its two ends are read separately.
  std::span<const std::byte> read_unpermuted(const Source& source, std::uint64_t first,
                                             std::uint64_t count, const Stored& stored,
                                             ReadScratch& scratch) const {
    const auto out = scratch.decoded.get(static_cast<std::size_t>(count * source.width));
    HeadCache cache;
    std::byte* target = out.data();
    for (std::uint64_t at = first; at < first + count;) {
      const std::uint64_t column = at % source.row;
      const std::uint64_t length = std::min(source.row - column, first + count - at);
      const std::uint64_t from = file_row(source, at / source.row) * source.row + column;
      const bool at_hand = from >= first && from + length <= first + count;
      deliver(source, at_hand ? stored : load_beside(source, from, length, cache, scratch), from,
              length, target);
      target += length * source.width;
      at += length;
    }
    return out;
  }

  static std::uint64_t file_row(const Source& source, std::uint64_t row) {
    const std::uint64_t head = row / source.head_rows * source.head_rows;
    const std::uint64_t half = source.head_rows / 2;
    const std::uint64_t in_head = row - head;
    return head + 2 * (in_head % half) + in_head / half;
  }

  /// The head that was read last, kept for the rest of its rows.
  struct HeadCache {
    std::optional<std::uint64_t> head;
    Stored stored;
  };

  Stored load_beside(const Source& source, std::uint64_t from, std::uint64_t length,
                     HeadCache& cache, ReadScratch& scratch) const {
    const std::uint64_t head_values = source.head_rows * source.row;
    if (head_values > kMaxHeadBytes / source.format.bytes * source.format.elements)
      return load(source, from, length, scratch.extra, scratch.observer);
    const std::uint64_t head = from / head_values;
    if (cache.head != head) {
      cache.stored = load(source, head * head_values, head_values, scratch.extra, scratch.observer);
      cache.head = head;
    }
    return cache.stored;
  }

  std::unique_ptr<ReadableFile> file_;
  std::vector<Source> sources_;  // one for each tensor
};

}  // namespace

std::unique_ptr<Checkpoint> open_gguf(Filesystem& filesystem, const std::filesystem::path& file,
                                      GgufNames names) {
  return std::make_unique<GgufCheckpoint>(filesystem, file, names);
}

}  // namespace expo
