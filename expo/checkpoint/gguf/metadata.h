#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace expo {

/// The types of metadata values, numbered as in the file.
enum class GgufType : std::uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64,
};

/// The bytes of a scalar value; 0 for strings and arrays.
std::size_t width_of(GgufType type) noexcept;

/// A key and its value: the type, and the position of the bytes in GgufMetadata::bytes().
struct GgufEntry {
  std::string key;
  GgufType type = GgufType::u8;
  GgufType element = GgufType::u8;  ///< type of an array's elements; otherwise `type`
  std::uint64_t count = 1;          ///< number of an array's elements; otherwise 1
  std::size_t begin = 0;            ///< position of the key's length, where the raw pair begins
  std::size_t value = 0;            ///< position of the value, or of an array's first element
  std::size_t end = 0;              ///< end of the pair
};

/// The checked key-value pairs of a GGUF file. Getters return std::nullopt for an absent key and
/// throw Error(input), naming the file and the key, for a value of another kind than requested.
/// Views are valid as long as this object, even after it is moved.
class GgufMetadata {
 public:
  /// `bytes` is the beginning of the file up to the end of the pairs, which must have been checked.
  GgufMetadata(std::string where, std::vector<char> bytes, std::vector<GgufEntry> entries);

  const std::vector<GgufEntry>& entries() const { return entries_; }  ///< in the file's order
  const GgufEntry* find(std::string_view key) const;
  /// The key, type and value as they are in the file, so that another GGUF file can copy them.
  std::string_view raw(const GgufEntry& entry) const;

  /// Accepts any integer type; the value must not be negative.
  std::optional<std::uint64_t> integer(std::string_view key) const;
  /// Accepts f32, f64 or an integer. An f32 is returned as the double with its shortest decimal
  /// spelling, so that 1e-05 prints as that.
  std::optional<double> real(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string_view> string(std::string_view key) const;
  std::optional<std::vector<std::string_view>> strings(std::string_view key) const;
  /// Accepts an array of f32.
  std::optional<std::vector<float>> reals(std::string_view key) const;
  /// Accepts an array of any integer type.
  std::optional<std::vector<std::int64_t>> integers(std::string_view key) const;

  /// The file's name, for messages.
  const std::string& where() const { return where_; }

 private:
  const GgufEntry* find_array(std::string_view key) const;

  std::string where_;
  std::vector<char> bytes_;
  std::vector<GgufEntry> entries_;
  std::unordered_map<std::string, std::size_t> by_key_;
};

/// Quotes text from a file for a message; text that is not UTF-8 is not repeated.
std::string printable(std::string_view text);

}  // namespace expo
