#include "expo/text/row_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/text/row_readers.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

std::string first_bytes(Filesystem& filesystem, const fs::path& path) {
  const auto file = filesystem.open(path, Caching::buffered);
  AlignedBuffer scratch;
  const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(file->size(), 4096));
  const auto bytes = file->read(0, length, scratch);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Programs of Windows write such files, with a byte-order mark by which they are known.
void refuse_wide_characters(std::string_view first, const fs::path& path) {
  using namespace std::string_view_literals;
  const bool is_32 = first.starts_with("\xFF\xFE\0\0"sv) || first.starts_with("\0\0\xFE\xFF"sv);
  const bool is_16 = first.starts_with("\xFF\xFE"sv) || first.starts_with("\xFE\xFF"sv);
  if (!is_32 && !is_16) return;
  throw input_error(fmt::format("{}: is UTF-{}, but JSON is read as UTF-8; save it as UTF-8",
                                path.string(), is_32 ? 32 : 16));
}

/// The first character of JSON; 0 if there is none.
char first_character(std::string_view first) {
  if (first.starts_with(kByteOrderMark)) first.remove_prefix(kByteOrderMark.size());
  const std::size_t place = first.find_first_not_of(" \t\r\n");
  return place == std::string_view::npos ? 0 : first[place];
}

/// Whether the first line alone is a whole object: then the file holds one object per line,
/// whatever its name.
bool is_json_lines(Filesystem& filesystem, const fs::path& path, std::string_view first) {
  if (first_character(first) != '{') return false;
  try {
    Json row;
    auto rows = open_json_lines(filesystem, path);
    return rows->next(row);
  } catch (const Error&) {
    return false;
  }
}

std::unique_ptr<RowReader> open_file(Filesystem& filesystem, const fs::path& path) {
  const std::string ending = path.extension().string();
  if (ending == ".parquet") return open_parquet(filesystem, path);
  if (ending == ".jsonl" || ending == ".ndjson" || ending == ".json") {
    const std::string first = first_bytes(filesystem, path);
    refuse_wide_characters(first, path);
    const bool lines = ending != ".json" || is_json_lines(filesystem, path, first);
    return lines ? open_json_lines(filesystem, path) : open_json_array(filesystem, path);
  }
  throw input_error(fmt::format(
      "{}: a data set is a .jsonl, .json or .parquet file, or a folder of them; unpack or convert "
      "other files",
      path.string()));
}

/// Suggests a download if the path looks like the Hub's name of a data set: "owner/name".
[[noreturn]] void refuse_absent(const fs::path& path) {
  const std::string owner = path.parent_path().string();
  const bool hub_id =
      !owner.empty() && owner.find_first_of("/~.") == std::string::npos && path.extension().empty();
  const std::string name = path.filename().string();
  throw input_error(fmt::format(
      "{}: there is no such file or folder{}", path.string(),
      hub_id
          ? fmt::format("; download a data set of the Hub with `hf download --repo-type dataset {} "
                        "--local-dir {}` and name that folder",
                        path.string(), name)
          : ""));
}

/// Reads several files, one after the other.
class Files final : public RowReader {
 public:
  Files(Filesystem& filesystem, std::vector<fs::path> paths)
      : filesystem_(filesystem), paths_(std::move(paths)) {}

  bool next(Json& row) override {
    for (;;) {
      if (current_ && current_->next(row)) return true;
      if (opened_ == paths_.size()) return false;
      earlier_ = non_finite_rows();
      current_ = open_file(filesystem_, paths_[opened_++]);
    }
  }

  std::string place() const override { return current_ ? current_->place() : std::string(); }

  NonFiniteRows non_finite_rows() const override {
    NonFiniteRows all = earlier_;
    if (!current_) return all;
    NonFiniteRows more = current_->non_finite_rows();
    if (all.count == 0) all.first = std::move(more.first);
    all.count += more.count;
    return all;
  }

 private:
  Filesystem& filesystem_;
  std::vector<fs::path> paths_;
  std::size_t opened_ = 0;
  std::unique_ptr<RowReader> current_;
  NonFiniteRows earlier_;  ///< of the files before the current one
};

class FirstRows final : public RowReader {
 public:
  FirstRows(std::unique_ptr<RowReader> rows, std::uint64_t limit)
      : rows_(std::move(rows)), left_(limit) {}

  bool next(Json& row) override {
    if (left_ == 0) return false;
    --left_;
    return rows_->next(row);
  }
  std::string place() const override { return rows_->place(); }
  NonFiniteRows non_finite_rows() const override { return rows_->non_finite_rows(); }

 private:
  std::unique_ptr<RowReader> rows_;
  std::uint64_t left_;
};

}  // namespace

std::vector<std::string> row_warnings(const RowReader& rows) {
  const NonFiniteRows found = rows.non_finite_rows();
  if (found.count == 0) return {};
  return {fmt::format(
      "{} {} NaN or Infinity in a column that is not used, the first of them {}; that is not JSON, "
      "although Python's json.dumps writes it, and null stands for it wherever such a row is "
      "written",
      counted(found.count, "row"), found.count == 1 ? "holds" : "hold", found.first)};
}

std::unique_ptr<RowReader> first_rows(std::unique_ptr<RowReader> rows, std::uint64_t limit) {
  return std::make_unique<FirstRows>(std::move(rows), limit);
}

std::unique_ptr<RowReader> open_rows(Filesystem& filesystem, const fs::path& path,
                                     const std::optional<std::string>& split) {
  if (!filesystem.exists(path)) refuse_absent(path);
  if (filesystem.is_directory(path))
    return std::make_unique<Files>(filesystem, split_files(filesystem, path, split));
  if (split) {
    throw usage_error(fmt::format("{}: a single file has no split \"{}\"; leave --split out",
                                  path.string(), *split));
  }
  return open_file(filesystem, path);
}

}  // namespace expo
