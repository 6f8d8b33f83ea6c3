#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <utility>

#include "expo/checkpoint/gguf/metadata.h"
#include "expo/core/error.h"
#include "expo/core/utf8.h"

namespace expo {
namespace {

template <typename Value>
Value load(const char* bytes) {
  Value value{};
  std::memcpy(&value, bytes, sizeof(Value));
  return value;
}

bool is_integer(GgufType type) {
  return type != GgufType::f32 && type != GgufType::f64 && type != GgufType::boolean &&
         type != GgufType::string && type != GgufType::array;
}

/// Loads an integer; std::nullopt for a u64 beyond the signed range.
std::optional<std::int64_t> load_integer(GgufType type, const char* bytes) {
  switch (type) {
    case GgufType::u8:
      return load<std::uint8_t>(bytes);
    case GgufType::i8:
      return load<std::int8_t>(bytes);
    case GgufType::u16:
      return load<std::uint16_t>(bytes);
    case GgufType::i16:
      return load<std::int16_t>(bytes);
    case GgufType::u32:
      return load<std::uint32_t>(bytes);
    case GgufType::i32:
      return load<std::int32_t>(bytes);
    case GgufType::u64:
      if (load<std::uint64_t>(bytes) > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
      return load<std::int64_t>(bytes);
    default:
      return load<std::int64_t>(bytes);
  }
}

double with_shortest_spelling(float value) {
  char text[32];
  const auto printed = std::to_chars(text, text + sizeof(text), value);
  double result = 0;
  std::from_chars(text, printed.ptr, result);
  return result;
}

}  // namespace

GgufMetadata::GgufMetadata(std::string where, std::vector<char> bytes,
                           std::vector<GgufEntry> entries)
    : where_(std::move(where)), bytes_(std::move(bytes)), entries_(std::move(entries)) {
  for (std::size_t i = 0; i < entries_.size(); ++i) by_key_.emplace(entries_[i].key, i);
}

const GgufEntry* GgufMetadata::find(std::string_view key) const {
  const auto found = by_key_.find(std::string(key));
  return found == by_key_.end() ? nullptr : &entries_[found->second];
}

const GgufEntry* GgufMetadata::find_array(std::string_view key) const {
  const GgufEntry* entry = find(key);
  if (entry != nullptr && entry->type != GgufType::array)
    throw input_error(fmt::format("{}: the metadata key \"{}\" is not an array", where_, key));
  return entry;
}

std::string_view GgufMetadata::raw(const GgufEntry& entry) const {
  return {bytes_.data() + entry.begin, entry.end - entry.begin};
}

std::optional<std::uint64_t> GgufMetadata::integer(std::string_view key) const {
  const GgufEntry* entry = find(key);
  if (entry == nullptr) return std::nullopt;
  std::optional<std::int64_t> value;
  if (is_integer(entry->type)) value = load_integer(entry->type, bytes_.data() + entry->value);
  if (!value || *value < 0)
    throw input_error(fmt::format(
        "{}: the metadata key \"{}\" is not a non-negative integer below 2^63", where_, key));
  return static_cast<std::uint64_t>(*value);
}

std::optional<double> GgufMetadata::real(std::string_view key) const {
  const GgufEntry* entry = find(key);
  if (entry == nullptr) return std::nullopt;
  if (entry->type == GgufType::f32)
    return with_shortest_spelling(load<float>(bytes_.data() + entry->value));
  if (entry->type == GgufType::f64) return load<double>(bytes_.data() + entry->value);
  if (is_integer(entry->type)) return static_cast<double>(*integer(key));
  throw input_error(fmt::format("{}: the metadata key \"{}\" is not a number", where_, key));
}

std::optional<bool> GgufMetadata::boolean(std::string_view key) const {
  const GgufEntry* entry = find(key);
  if (entry == nullptr) return std::nullopt;
  if (entry->type != GgufType::boolean)
    throw input_error(fmt::format("{}: the metadata key \"{}\" is not a boolean", where_, key));
  return bytes_[entry->value] != 0;
}

std::optional<std::string_view> GgufMetadata::string(std::string_view key) const {
  const GgufEntry* entry = find(key);
  if (entry == nullptr) return std::nullopt;
  if (entry->type != GgufType::string)
    throw input_error(fmt::format("{}: the metadata key \"{}\" is not a string", where_, key));
  const char* bytes = bytes_.data() + entry->value;
  return std::string_view(bytes + 8, static_cast<std::size_t>(load<std::uint64_t>(bytes)));
}

std::optional<std::vector<std::string_view>> GgufMetadata::strings(std::string_view key) const {
  const GgufEntry* entry = find_array(key);
  if (entry == nullptr) return std::nullopt;
  if (entry->element != GgufType::string)
    throw input_error(
        fmt::format("{}: the metadata key \"{}\" is not an array of strings", where_, key));
  std::vector<std::string_view> result;
  result.reserve(static_cast<std::size_t>(entry->count));
  const char* bytes = bytes_.data() + entry->value;
  for (std::uint64_t i = 0; i < entry->count; ++i) {
    const auto length = static_cast<std::size_t>(load<std::uint64_t>(bytes));
    result.emplace_back(bytes + 8, length);
    bytes += 8 + length;
  }
  return result;
}

std::optional<std::vector<float>> GgufMetadata::reals(std::string_view key) const {
  const GgufEntry* entry = find_array(key);
  if (entry == nullptr) return std::nullopt;
  if (entry->element != GgufType::f32)
    throw input_error(
        fmt::format("{}: the metadata key \"{}\" is not an array of 32-bit floats", where_, key));
  std::vector<float> result(static_cast<std::size_t>(entry->count));
  if (!result.empty())
    std::memcpy(result.data(), bytes_.data() + entry->value, result.size() * sizeof(float));
  return result;
}

std::optional<std::vector<std::int64_t>> GgufMetadata::integers(std::string_view key) const {
  const GgufEntry* entry = find_array(key);
  if (entry == nullptr) return std::nullopt;
  if (!is_integer(entry->element))
    throw input_error(
        fmt::format("{}: the metadata key \"{}\" is not an array of integers", where_, key));
  std::vector<std::int64_t> result;
  result.reserve(static_cast<std::size_t>(entry->count));
  const std::size_t width = width_of(entry->element);
  for (std::size_t i = 0; i < entry->count; ++i) {
    const auto value = load_integer(entry->element, bytes_.data() + entry->value + i * width);
    if (!value)
      throw input_error(
          fmt::format("{}: the metadata key \"{}\" holds an integer beyond 2^63", where_, key));
    result.push_back(*value);
  }
  return result;
}

std::string printable(std::string_view text) {
  return valid_utf8(text) ? fmt::format("\"{}\"", text) : std::string("(not UTF-8)");
}

}  // namespace expo
