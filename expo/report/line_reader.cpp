#include "expo/report/line_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "expo/core/error.h"

namespace expo {
namespace {

constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
constexpr std::size_t kLongestLine = std::size_t{1} << 30;

}  // namespace

std::optional<LineReader::Line> LineReader::next() {
  std::size_t searched = begin_;
  for (;;) {
    const std::size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos) {
      const Line line{std::string_view(buffer_).substr(begin_, end - begin_), offset_ + begin_,
                      ++number_};
      begin_ = end + 1;
      return line;
    }
    searched = buffer_.size() - begin_;  // where it goes on once the buffer begins with the line
    if (!read_more()) return std::nullopt;
  }
}

/// Makes the buffer begin with the line that is not whole yet, and adds to it.
bool LineReader::read_more() {
  const std::uint64_t position = offset_ + buffer_.size();
  const std::uint64_t length = std::min(kPiece, file_.size() - position);
  if (length == 0) return false;
  buffer_.erase(0, begin_);
  offset_ += begin_;
  begin_ = 0;
  if (buffer_.size() > kLongestLine) {
    throw input_error(fmt::format("{}:{}: the line is longer than 1 GiB; the file is damaged",
                                  file_.path().string(), number_ + 1));
  }
  const auto bytes = file_.read(position, static_cast<std::size_t>(length), scratch_);
  buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return true;
}

}  // namespace expo
