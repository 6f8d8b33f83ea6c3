#include "expo/report/page_file.h"

#include <fmt/format.h>

#include <span>

#include "expo/core/error.h"

namespace expo {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : ".";
}

}  // namespace

void check_page_place(Filesystem& filesystem, const std::filesystem::path& path, bool overwrite) {
  const std::string name = path.string();
  const auto found = filesystem.status(path);
  if (!path.has_filename() || (found && found->is_directory))
    throw usage_error(name + ": is a folder, but -o names a file, such as report.html");
  if (found && !found->is_regular) {
    throw usage_error(name +
                      ": is no regular file but a device, a pipe or a socket, which no page may "
                      "replace; name a file, such as report.html");
  }
  if (found && !overwrite) throw usage_error(name + ": is there already; --overwrite replaces it");
  if (!filesystem.is_directory(folder_of(path))) {
    throw usage_error(fmt::format("{}: there is no folder {} to write it to; make it first", name,
                                  folder_of(path).string()));
  }
}

PageFile::PageFile(Filesystem& filesystem, const std::filesystem::path& path, bool overwrite)
    : filesystem_(filesystem),
      path_(path),
      folder_(folder_of(path)),
      partial_(folder_ / fmt::format(".{}.partial", path.filename().string())),
      overwrite_(overwrite) {
  check_page_place(filesystem_, path_, overwrite);
  lock_.emplace(filesystem_, folder_ / fmt::format(".{}.expo-lock", path.filename().string()),
                path_, "page");
  file_ = filesystem_.create(partial_, Caching::buffered);
}

PageFile::~PageFile() {
  if (!file_) return;
  file_.reset();
  try {
    filesystem_.remove(partial_);
  } catch (...) {  // The next page replaces it.
  }
}

void PageFile::write(std::string_view text) {
  pending_ += text;
  if (pending_.size() >= kPiece) flush();
}

void PageFile::flush() {
  file_->write_at(size_, std::as_bytes(std::span(pending_)));
  size_ += pending_.size();
  pending_.clear();
}

std::uint64_t PageFile::commit() {
  flush();
  file_->sync();
  file_->close();
  if (overwrite_) {
    filesystem_.rename_replace(partial_, path_);
  } else {
    filesystem_.rename_no_replace(partial_, path_);
  }
  file_.reset();
  filesystem_.sync_directory(folder_);
  return size_;
}

}  // namespace expo
