#include <fmt/format.h>

#include <algorithm>

#include "expo/core/error.h"
#include "expo/core/python_json.h"
#include "expo/text/row_readers.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
constexpr std::size_t kLongestLine = std::size_t{256} << 20;

/// The lines of a file, which is read piece by piece.
class Lines {
 public:
  Lines(Filesystem& filesystem, const fs::path& path)
      : file_(filesystem.open(path, Caching::buffered)) {}

  bool next(std::string& line) {
    line.clear();
    for (;;) {
      const std::size_t end = piece_.find('\n');
      line += piece_.substr(0, end);
      if (end != std::string_view::npos) {
        piece_.remove_prefix(end + 1);
        return true;
      }
      if (line.size() > kLongestLine) throw_too_long();
      if (!refill()) return !line.empty();
    }
  }

 private:
  bool refill() {
    const auto length = static_cast<std::size_t>(std::min(kPiece, file_->size() - offset_));
    if (length == 0) {
      piece_ = {};
      return false;
    }
    const auto bytes = file_->read(offset_, length, scratch_);
    offset_ += length;
    piece_ = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    return true;
  }

  [[noreturn]] void throw_too_long() const {
    throw input_error(
        fmt::format("{}: a line is longer than {} MB; expected one JSON object per line",
                    file_->path().string(), kLongestLine >> 20));
  }

  std::unique_ptr<ReadableFile> file_;
  AlignedBuffer scratch_;
  std::uint64_t offset_ = 0;
  std::string_view piece_;
};

/// Puts blanks in place of a byte-order mark, so that places in the text stay what they are.
void blank_byte_order_mark(std::string& text) {
  constexpr std::size_t kWidth = kByteOrderMark.size();
  if (text.starts_with(kByteOrderMark)) text.replace(0, kWidth, kWidth, ' ');
}

void expect_object(const Json& row, const std::string& place) {
  if (row.is_object()) return;
  throw input_error(
      fmt::format("{}: a JSON object was expected, found {}", place, json_type_name(row)));
}

/// Counts the rows that hold numbers which are not JSON's.
class NonFiniteCount {
 public:
  void note(const Json& row, const std::string& place) {
    const auto number = find_non_finite(row);
    if (!number) return;
    if (rows_.count++ == 0)
      rows_.first = fmt::format("{} ({} is {})", place, number->path, number->word);
  }
  const NonFiniteRows& rows() const { return rows_; }

 private:
  NonFiniteRows rows_;
};

class JsonLines final : public RowReader {
 public:
  JsonLines(Filesystem& filesystem, const fs::path& path)
      : path_(path.string()), lines_(filesystem, path) {}

  bool next(Json& row) override {
    std::string line;
    while (lines_.next(line)) {
      ++number_;
      if (number_ == 1) blank_byte_order_mark(line);
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      row = parse_python_json(line, place());
      expect_object(row, place());
      non_finite_.note(row, place());
      return true;
    }
    return false;
  }

  std::string place() const override { return fmt::format("{}:{}", path_, number_); }
  NonFiniteRows non_finite_rows() const override { return non_finite_.rows(); }

 private:
  std::string path_;
  NonFiniteCount non_finite_;
  Lines lines_;
  std::uint64_t number_ = 0;
};

class JsonArray final : public RowReader {
 public:
  JsonArray(Filesystem& filesystem, const fs::path& path) : path_(path.string()) {
    std::string text = filesystem.read_text(path);
    blank_byte_order_mark(text);
    rows_ = parse_python_json(text, path_);
    if (rows_.is_object()) rows_ = Json::array({std::move(rows_)});
    if (!rows_.is_array()) {
      throw input_error(fmt::format("{}: a JSON array of objects was expected, found {}", path_,
                                    json_type_name(rows_)));
    }
  }

  bool next(Json& row) override {
    if (number_ == rows_.size()) return false;
    row = std::move(rows_[number_++]);
    expect_object(row, place());
    non_finite_.note(row, place());
    return true;
  }

  std::string place() const override { return fmt::format("{}: entry {}", path_, number_); }
  NonFiniteRows non_finite_rows() const override { return non_finite_.rows(); }

 private:
  std::string path_;
  NonFiniteCount non_finite_;
  Json rows_;
  std::size_t number_ = 0;
};

}  // namespace

std::unique_ptr<RowReader> open_json_lines(Filesystem& filesystem, const fs::path& path) {
  return std::make_unique<JsonLines>(filesystem, path);
}

std::unique_ptr<RowReader> open_json_array(Filesystem& filesystem, const fs::path& path) {
  return std::make_unique<JsonArray>(filesystem, path);
}

}  // namespace expo
