#include "expo/checkpoint/gguf/header.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>

#include "expo/checkpoint/tensor.h"
#include "expo/core/error.h"
#include "expo/core/utf8.h"

namespace expo {
namespace {

/// The beginning of a file, loaded as far as needed. Every request is checked against the bytes
/// that remain before anything is allocated.
class Cursor {
 public:
  explicit Cursor(const ReadableFile& file) : file_(file), where_(file.path().string()) {}

  const std::string& where() const { return where_; }
  std::size_t position() const { return position_; }
  std::uint64_t remaining() const { return file_.size() - position_; }
  std::vector<char> take_bytes() { return std::move(bytes_); }

  /// `what` names the item in the message if the file ends before it.
  const char* take(std::uint64_t count, std::string_view what) {
    if (count > remaining()) {
      throw input_error(
          fmt::format("{}: {} needs {} bytes at byte {}, but {} remain; the file is damaged or the "
                      "download is incomplete",
                      where_, what, count, position_, remaining()));
    }
    load(position_ + count, what);
    const char* bytes = bytes_.data() + position_;
    position_ += static_cast<std::size_t>(count);
    return bytes;
  }

  template <typename Value>
  Value number(std::string_view what) {
    Value value{};
    std::memcpy(&value, take(sizeof(Value), what), sizeof(Value));
    return value;
  }

  std::string_view string(std::string_view what) {
    const auto length = number<std::uint64_t>(what);
    return {take(length, what), static_cast<std::size_t>(length)};
  }

  /// Reads a count of items that take at least `least` bytes each.
  std::uint64_t count(std::uint64_t least, std::string_view what) {
    const auto claimed = number<std::uint64_t>(what);
    if (claimed > remaining() / least) {
      throw input_error(
          fmt::format("{}: {} is {}, but the {} bytes that remain cannot hold as many; the file is "
                      "damaged",
                      where_, what, claimed, remaining()));
    }
    return claimed;
  }

 private:
  void load(std::uint64_t end, std::string_view what) {
    if (end <= bytes_.size()) return;
    if (end > kMaxGgufHeader) {
      throw input_error(
          fmt::format("{}: {} ends beyond byte {}, which no header of a language "
                      "model needs; the file is damaged",
                      where_, what, kMaxGgufHeader));
    }
    constexpr std::uint64_t kStep = std::uint64_t{1} << 20;
    const std::uint64_t target = std::min(file_.size(), std::max(end, bytes_.size() + kStep));
    const auto more =
        file_.read(bytes_.size(), static_cast<std::size_t>(target - bytes_.size()), scratch_);
    const auto* first = reinterpret_cast<const char*>(more.data());
    bytes_.insert(bytes_.end(), first, first + more.size());
  }

  const ReadableFile& file_;
  std::string where_;
  std::vector<char> bytes_;
  std::size_t position_ = 0;
  AlignedBuffer scratch_;
};

class Parser {
 public:
  explicit Parser(const ReadableFile& file) : cursor_(file), file_(file) {}

  GgufHeader parse() {
    const std::uint32_t version = read_version();
    // The shortest tensor consists of a length, one byte of name, rank, type and offset; the
    // shortest pair of a length, one byte of key, type and one byte of value.
    const std::uint64_t tensors = cursor_.count(25, "the number of tensors");
    const std::uint64_t pairs = cursor_.count(14, "the number of metadata keys");
    std::vector<GgufEntry> entries;
    for (std::uint64_t i = 0; i < pairs; ++i) entries.push_back(read_entry());
    const std::size_t metadata_end = cursor_.position();
    std::vector<GgufTensor> infos;
    for (std::uint64_t i = 0; i < tensors; ++i) infos.push_back(read_tensor());
    const std::uint64_t infos_end = cursor_.position();
    std::vector<char> bytes = cursor_.take_bytes();
    bytes.resize(metadata_end);
    bytes.shrink_to_fit();
    GgufHeader header{version, 32,
                      GgufMetadata(cursor_.where(), std::move(bytes), std::move(entries)),
                      std::move(infos), infos_end};
    read_alignment(header);
    place_tensors(header, infos_end);
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw input_error(cursor_.where() + ": " + message);
  }

  std::uint32_t read_version() {
    const std::string_view magic(cursor_.take(4, "the GGUF mark"), 4);
    if (magic != "GGUF") fail("not a GGUF file: it does not begin with \"GGUF\"");
    const auto version = cursor_.number<std::uint32_t>("the GGUF version");
    if (version == 2 || version == 3) return version;
    if (version != 0 && (version & 0xFFFFU) == 0)
      fail("a big-endian GGUF file is not supported; convert it to little-endian first");
    fail(fmt::format(
        "GGUF version {} is not supported, only 2 and 3; convert the model again with a "
        "current llama.cpp",
        version));
  }

  GgufType read_type(std::string_view key) {
    const auto number = cursor_.number<std::uint32_t>("a metadata type");
    if (number > static_cast<std::uint32_t>(GgufType::f64))
      fail(fmt::format("the metadata key \"{}\" has the unknown type {}", key, number));
    return static_cast<GgufType>(number);
  }

  GgufEntry read_entry() {
    GgufEntry entry;
    entry.begin = cursor_.position();
    entry.key = std::string(cursor_.string("a metadata key"));
    if (entry.key.empty()) fail("a metadata key is empty");
    if (!valid_utf8(entry.key)) fail("a metadata key is not UTF-8");
    if (!keys_.insert(entry.key).second)
      fail(fmt::format("the metadata key \"{}\" occurs twice", entry.key));
    entry.type = entry.element = read_type(entry.key);
    if (entry.type == GgufType::array) read_array_head(entry);
    entry.value = cursor_.position();
    skip_value(entry);
    entry.end = cursor_.position();
    return entry;
  }

  void read_array_head(GgufEntry& entry) {
    entry.element = read_type(entry.key);
    if (entry.element == GgufType::array)
      fail(
          fmt::format("the metadata key \"{}\" holds an array of arrays, which GGUF readers do "
                      "not support",
                      entry.key));
    const std::uint64_t least = entry.element == GgufType::string ? 8 : width_of(entry.element);
    entry.count = cursor_.count(least, fmt::format("the length of \"{}\"", entry.key));
  }

  void skip_value(const GgufEntry& entry) {
    const std::string what = fmt::format("the value of \"{}\"", entry.key);
    if (entry.element == GgufType::string) {
      for (std::uint64_t i = 0; i < entry.count; ++i) cursor_.string(what);
      return;
    }
    const char* bytes = cursor_.take(entry.count * width_of(entry.element), what);
    if (entry.element != GgufType::boolean) return;
    for (std::uint64_t i = 0; i < entry.count; ++i) {
      if (bytes[i] != 0 && bytes[i] != 1)
        fail(fmt::format("the metadata key \"{}\" holds a boolean that is neither 0 nor 1",
                         entry.key));
    }
  }

  GgufTensor read_tensor() {
    GgufTensor tensor;
    tensor.name = std::string(cursor_.string("a tensor's name"));
    if (tensor.name.empty()) fail("a tensor has no name");
    if (tensor.name.size() > kMaxGgufName || !valid_utf8(tensor.name) ||
        tensor.name.find('\0') != std::string::npos) {
      fail(
          fmt::format("the tensor {} has a name of {} bytes, but GGUF allows {} bytes of UTF-8 "
                      "without zeros",
                      printable(tensor.name), tensor.name.size(), kMaxGgufName));
    }
    if (!names_.insert(tensor.name).second)
      fail(fmt::format("the tensor \"{}\" occurs twice", tensor.name));
    read_shape(tensor);
    read_format(tensor);
    tensor.offset = cursor_.number<std::uint64_t>("a tensor's offset");
    return tensor;
  }

  void read_shape(GgufTensor& tensor) {
    const auto rank = cursor_.number<std::uint32_t>("a tensor's rank");
    if (rank > 4)
      fail(
          fmt::format("the tensor \"{}\" has {} dimensions, but GGUF allows 4", tensor.name, rank));
    for (std::uint32_t i = 0; i < rank; ++i)
      tensor.shape.push_back(cursor_.number<std::uint64_t>("a tensor's dimensions"));
    std::ranges::reverse(tensor.shape);
    // The specification counts in signed 64-bit integers; a zero does not excuse an overflow.
    std::vector<std::uint64_t> without_zeros = tensor.shape;
    std::erase(without_zeros, 0);
    const auto elements = element_count(without_zeros);
    if (!elements || *elements > std::uint64_t{1} << 60)
      fail(fmt::format("the tensor \"{}\" has more elements than are possible: {}", tensor.name,
                       format_shape(tensor.shape)));
  }

  void read_format(GgufTensor& tensor) {
    const auto id = cursor_.number<std::uint32_t>("a tensor's type");
    const auto format = ggml_format(id);
    if (!format) fail(fmt::format("the tensor \"{}\" has the unknown type {}", tensor.name, id));
    if (!format->readable()) {
      fail(
          fmt::format("the tensor \"{}\" is stored as {}; F32, F16, BF16, F64, Q8_0, Q4_0, Q4_1 "
                      "and integers can be read: use a copy of the model in one of these (BF16 or "
                      "F16 lose least)",
                      tensor.name, format->name));
    }
    tensor.format = *format;
    const std::uint64_t elements = *element_count(tensor.shape);
    const std::uint64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
    if (row % format->elements != 0) {
      fail(
          fmt::format("the tensor \"{}\" has rows of {} values, which are not whole blocks of {} "
                      "as {} requires",
                      tensor.name, row, format->elements, format->name));
    }
    tensor.bytes = elements / format->elements * format->bytes;
  }

  void read_alignment(GgufHeader& header) const {
    const GgufEntry* entry = header.metadata.find("general.alignment");
    if (entry == nullptr) return;
    if (entry->type != GgufType::u32) fail("general.alignment is not an unsigned 32-bit integer");
    header.alignment = *header.metadata.integer("general.alignment");
    if (!std::has_single_bit(header.alignment) || header.alignment > kMaxGgufAlignment)
      fail(fmt::format("general.alignment is {}; expected a power of two up to {}",
                       header.alignment, kMaxGgufAlignment));
  }

  /// Checks that the offsets follow from the sizes: then there are no holes, overlaps or aliases.
  void place_tensors(GgufHeader& header, std::uint64_t infos_end) const {
    const auto padded = [&](std::uint64_t size) {
      return (size + header.alignment - 1) / header.alignment * header.alignment;
    };
    const std::uint64_t data = padded(infos_end);
    std::uint64_t expected = 0;
    for (GgufTensor& tensor : header.tensors) {
      if (tensor.offset != expected)
        fail(
            fmt::format("the tensor \"{}\" begins at byte {} of the data, but {} follows from "
                        "the tensors before it; the file is damaged",
                        tensor.name, tensor.offset, expected));
      if (data > file_.size() || tensor.bytes > file_.size() - data ||
          expected > file_.size() - data - tensor.bytes) {
        fail(
            fmt::format("the tensor \"{}\" needs {} bytes from byte {} on, but the file ends at "
                        "byte {}; the download is incomplete",
                        tensor.name, tensor.bytes, data + expected, file_.size()));
      }
      tensor.offset = data + expected;
      expected += padded(tensor.bytes);
    }
    header.end = header.tensors.empty() ? infos_end : data + expected;
  }

  Cursor cursor_;
  const ReadableFile& file_;
  std::set<std::string> keys_;
  std::set<std::string> names_;
};

}  // namespace

std::size_t width_of(GgufType type) noexcept {
  switch (type) {
    case GgufType::u8:
    case GgufType::i8:
    case GgufType::boolean:
      return 1;
    case GgufType::u16:
    case GgufType::i16:
      return 2;
    case GgufType::u32:
    case GgufType::i32:
    case GgufType::f32:
      return 4;
    case GgufType::u64:
    case GgufType::i64:
    case GgufType::f64:
      return 8;
    case GgufType::string:
    case GgufType::array:
      break;
  }
  return 0;
}

GgufHeader read_gguf_header(const ReadableFile& file) {
  return Parser(file).parse();
}

}  // namespace expo
