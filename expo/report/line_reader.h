#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// The lines of a file that may be larger than the memory, one by one. What stands behind the last
/// line end is no line: whoever wrote it was stopped.
class LineReader {
 public:
  /// The file must outlive it.
  explicit LineReader(const ReadableFile& file) : file_(file) {}

  struct Line {
    std::string_view text;     ///< without its end; valid until the next call of next()
    std::uint64_t offset = 0;  ///< of its first byte in the file
    std::size_t number = 0;    ///< from 1
  };

  /// The next line; std::nullopt if there is none. Throws Error(input) for a line of more than
  /// 1 GiB, and what ReadableFile::read throws.
  std::optional<Line> next();

  /// Whether the file ends within a line; known once next() has returned std::nullopt.
  bool is_cut() const { return begin_ < buffer_.size(); }

 private:
  bool read_more();

  const ReadableFile& file_;
  AlignedBuffer scratch_;
  std::string buffer_;
  std::uint64_t offset_ = 0;  ///< of the buffer in the file
  std::size_t begin_ = 0;     ///< of the next line in the buffer
  std::size_t number_ = 0;
};

}  // namespace expo
