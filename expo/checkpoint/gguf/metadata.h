#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace expo {

/// Types of metadata values, numbered as in the file.
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

/// Bytes of a scalar value; 0 for strings and arrays.
std::size_t width_of(GgufType type) noexcept;

/// One key with its value: the type, and where the bytes lie in GgufMetadata::bytes().
struct GgufEntry {
  std::string key;
  GgufType type = GgufType::u8;
  GgufType element = GgufType::u8;  ///< of an array; otherwise `type`
  std::uint64_t count = 1;          ///< of an array's elements; otherwise 1
  std::size_t begin = 0;            ///< of the key's length, where the raw pair begins
  std::size_t value = 0;            ///< of the value; of an array's first element
  std::size_t end = 0;              ///< of the pair
};

/// The checked key-value pairs of a GGUF file. Getters return nothing for an absent key and throw
/// Error(input), naming file and key, for a value of another kind than the one that is asked for.
/// Views live as long as this object, also when it is moved.
class GgufMetadata {
 public:
  /// `bytes` is the beginning of the file up to the end of the pairs, which must have been checked.
  GgufMetadata(std::string where, std::vector<char> bytes, std::vector<GgufEntry> entries);

  const std::vector<GgufEntry>& entries() const { return entries_; }  ///< in the file's order
  const GgufEntry* find(std::string_view key) const;
  /// Key, type and value as they lie in the file: what another GGUF file can take over.
  std::string_view raw(const GgufEntry& entry) const;

  /// Any integer type, not negative.
  std::optional<std::uint64_t> integer(std::string_view key) const;
  /// f32, f64 or an integer. An f32 is given as the double with its shortest decimal spelling, so
  /// that 1e-05 prints as that.
  std::optional<double> real(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string_view> string(std::string_view key) const;
  std::optional<std::vector<std::string_view>> strings(std::string_view key) const;
  /// An array of f32.
  std::optional<std::vector<float>> reals(std::string_view key) const;
  /// An array of any integer type.
  std::optional<std::vector<std::int64_t>> integers(std::string_view key) const;

  /// The file, for messages.
  const std::string& where() const { return where_; }

 private:
  const GgufEntry* find_array(std::string_view key) const;

  std::string where_;
  std::vector<char> bytes_;
  std::vector<GgufEntry> entries_;
  std::unordered_map<std::string, std::size_t> by_key_;
};

/// Text from a file, quoted for a message; text that is not UTF-8 is not repeated.
std::string printable(std::string_view text);

}  // namespace expo
