#include "expo/core/disk/line_journal.h"

#include <fmt/format.h>

#include <span>

#include "expo/core/error.h"

namespace expo {
namespace {

constexpr std::uint64_t kLargestJournal = std::uint64_t{16} << 30;

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : ".";
}

}  // namespace

LineJournal::LineJournal(Filesystem& filesystem, std::filesystem::path path,
                         std::string_view format, const std::function<void(const Json&)>& take)
    : filesystem_(filesystem),
      path_(std::move(path)),
      head_(compact_json({{"format", format}}) + "\n") {
  filesystem_.create_directory(folder_of(path_));
  begin(filesystem_.exists(path_) ? read(take) : head_);
}

/// Returns the lines that are whole.
std::string LineJournal::read(const std::function<void(const Json&)>& take) const {
  std::string text = filesystem_.read_text(path_, kLargestJournal);
  text.resize(text.rfind('\n') + 1);  // no line end: npos + 1 is 0
  if (text.empty()) return head_;
  if (!text.starts_with(head_)) {
    throw input_error(
        fmt::format("{}: does not begin with the line {}, so no run has left it here; move it away",
                    path_.string(), head_.substr(0, head_.size() - 1)));
  }
  std::size_t number = 2;
  for (std::size_t begin = head_.size(), end = 0; begin < text.size(); begin = end + 1, ++number) {
    end = text.find('\n', begin);
    const std::string where = fmt::format("{}:{}", path_.string(), number);
    try {
      take(parse_json(std::string_view(text).substr(begin, end - begin), where));
    } catch (const Json::exception&) {
      throw input_error(where + ": is not a line that a run has left; remove the line");
    }
  }
  return text;
}

/// Writes the file anew with these lines, first under another name, so that the old one is whole
/// until it is replaced.
void LineJournal::begin(std::string_view lines) {
  const std::filesystem::path fresh = std::filesystem::path(path_) += ".expo-new";
  file_ = filesystem_.create(fresh, Caching::buffered);
  write(lines);
  file_->sync();
  filesystem_.rename_replace(fresh, path_);
  filesystem_.sync_directory(folder_of(path_));
}

void LineJournal::write(std::string_view lines) {
  file_->write_at(size_, std::as_bytes(std::span(lines.data(), lines.size())));
  size_ += lines.size();
}

void LineJournal::append(const Json& line) {
  write(compact_json(line) + "\n");
}

void LineJournal::sync() {
  file_->sync();
}

}  // namespace expo
