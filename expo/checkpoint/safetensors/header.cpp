#include "expo/checkpoint/safetensors/header.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <tuple>

#include "expo/checkpoint/folder/mistaken_file.h"
#include "expo/checkpoint/tensor.h"
#include "expo/core/error.h"
#include "expo/core/json.h"

namespace expo {
namespace {

constexpr const char* kCause = "the file is damaged or was not downloaded completely";

/// The checks of one entry and their error messages.
class EntryParser {
 public:
  EntryParser(const std::string& where, const std::string& name) : where_(where), name_(name) {}

  SafetensorsEntry parse(const Json& fields) const {
    if (!fields.is_object()) fail("its description is not an object");
    for (const auto& [key, value] : fields.items()) {
      if (key != "dtype" && key != "shape" && key != "data_offsets") {
        fail(fmt::format("it has the unknown field \"{}\"", key));
      }
    }
    SafetensorsEntry entry;
    entry.name = name_;
    entry.dtype = dtype(required(fields, "dtype"));
    entry.shape = numbers(required(fields, "shape"), "shape");
    const auto offsets = numbers(required(fields, "data_offsets"), "data_offsets");
    if (offsets.size() != 2) {
      fail(fmt::format("data_offsets has {} numbers, but 2 are expected", offsets.size()));
    }
    entry.begin = offsets[0];
    entry.end = offsets[1];
    check_size(entry);
    return entry;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw input_error(fmt::format("{}: tensor \"{}\": {}; {}", where_, name_, what, kCause));
  }

 private:
  const Json& required(const Json& fields, const char* key) const {
    const auto found = fields.find(key);
    if (found == fields.end()) fail(fmt::format("the field \"{}\" is missing", key));
    return *found;
  }

  DType dtype(const Json& value) const {
    if (!value.is_string()) fail("dtype is not a string");
    const auto known = dtype_from_safetensors(value.get_ref<const std::string&>());
    if (!known) fail(fmt::format("the dtype {} is not known to the format", value.dump()));
    return *known;
  }

  std::vector<std::uint64_t> numbers(const Json& value, const char* field) const {
    if (!value.is_array()) fail(fmt::format("{} is not a list", field));
    std::vector<std::uint64_t> result;
    for (const Json& number : value) {
      if (!number.is_number_unsigned()) {
        fail(fmt::format("{} holds {}, but a non-negative integer below 2^64 is expected", field,
                         number.dump()));
      }
      result.push_back(number.get<std::uint64_t>());
    }
    return result;
  }

  void check_size(const SafetensorsEntry& entry) const {
    if (entry.end < entry.begin) {
      fail(fmt::format("data_offsets [{}, {}] run backwards", entry.begin, entry.end));
    }
    const auto elements = element_count(entry.shape);
    const auto bytes = elements ? byte_size(entry.dtype, *elements) : std::nullopt;
    if (!bytes) {
      fail(fmt::format("the shape {} of {} does not take a whole number of bytes below 2^64",
                       format_shape(entry.shape), safetensors_name(entry.dtype)));
    }
    if (*bytes != entry.end - entry.begin) {
      fail(fmt::format("data_offsets [{}, {}] hold {} bytes, but the shape {} of {} takes {}",
                       entry.begin, entry.end, entry.end - entry.begin, format_shape(entry.shape),
                       safetensors_name(entry.dtype), *bytes));
    }
  }

  const std::string& where_;
  const std::string& name_;
};

void check_metadata(const Json& metadata, const std::string& where) {
  const bool strings = metadata.is_object() && std::ranges::all_of(metadata, [](const Json& value) {
                         return value.is_string();
                       });
  if (!strings) {
    throw input_error(where + ": the header's \"__metadata__\" is not an object of strings; " +
                      kCause);
  }
}

/// Checks that the tensors cover the data without holes, overlaps or stray bytes at the end.
void check_coverage(const std::vector<SafetensorsEntry>& entries, std::uint64_t data_size,
                    const std::string& where) {
  std::uint64_t position = 0;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.begin != position) {
      EntryParser(where, entry.name)
          .fail(fmt::format(
              "it begins at byte {} of the data, but {} is expected ({})", entry.begin, position,
              entry.begin < position ? "tensors overlap" : "there is a hole before it"));
    }
    position = entry.end;
  }
  if (position != data_size) {
    throw input_error(
        fmt::format("{}: the tensors{} take {} bytes of data but the file holds {}; {}", where,
                    entries.empty() ? "" : fmt::format(" up to \"{}\"", entries.back().name),
                    position, data_size,
                    position > data_size ? "it was cut short, perhaps by an incomplete download"
                                         : "there are stray bytes at its end"));
  }
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_size,
                                           const std::string& where) {
  if (!json.starts_with('{')) {
    throw input_error(
        where +
        ": the header does not begin with '{'; this is not a safetensors file, or it is damaged");
  }
  const Json root = parse_json(json, where);
  SafetensorsHeader header;
  for (const auto& [name, fields] : root.items()) {
    if (name == "__metadata__") {
      check_metadata(fields, where);
      continue;
    }
    const EntryParser parser(where, name);
    if (name.empty() || name.find('\0') != std::string::npos) {
      parser.fail("a name must not be empty or hold a NUL");
    }
    header.entries.push_back(parser.parse(fields));
  }
  std::ranges::stable_sort(header.entries, {}, [](const SafetensorsEntry& entry) {
    return std::tuple(entry.begin, entry.end);
  });
  check_coverage(header.entries, data_size, where);
  return header;
}

namespace {

/// Throws if the file is recognised as something else, and says what it is.
void refuse_other_file(const ReadableFile& file) {
  AlignedBuffer scratch;
  const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), 512));
  const auto bytes = file.read(0, length, scratch);
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (head.size() > 8 && head[8] == '{') return;  // a safetensors file that was cut short
  if (const auto other = mistaken_file(head))
    throw input_error(fmt::format("{}: {}", file.path().string(), *other));
}

}  // namespace

SafetensorsHeader read_safetensors_header(const ReadableFile& file) {
  const std::string where = file.path().string();
  if (file.size() < 8) {
    throw input_error(
        fmt::format("{}: the file has {} bytes, but a safetensors file has at least 8; perhaps the "
                    "download is incomplete",
                    where, file.size()));
  }
  AlignedBuffer scratch;
  std::uint64_t length = 0;
  std::memcpy(&length, file.read(0, 8, scratch).data(), 8);
  static_assert(std::endian::native == std::endian::little);
  if (length > kMaxSafetensorsHeader || length > file.size() - 8) {
    refuse_other_file(file);
    throw input_error(
        fmt::format("{}: the header claims {} bytes, but at most {} fit; this is not a "
                    "safetensors file, or it was cut short",
                    where, length, std::min(kMaxSafetensorsHeader, file.size() - 8)));
  }
  const auto json = file.read(8, static_cast<std::size_t>(length), scratch);
  SafetensorsHeader header = parse_safetensors_header(
      {reinterpret_cast<const char*>(json.data()), json.size()}, file.size() - 8 - length, where);
  header.data_offset = 8 + length;
  return header;
}

}  // namespace expo
