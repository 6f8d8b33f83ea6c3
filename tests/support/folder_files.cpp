#include "support/folder_files.h"

namespace expo {
namespace {

using Path = std::filesystem::path;

void collect(Filesystem& filesystem, const Path& folder, const std::string& prefix,
             FolderFiles& files) {
  for (const std::string& name : filesystem.list(folder)) {
    if (filesystem.is_directory(folder / name)) {
      collect(filesystem, folder / name, prefix + name + "/", files);
    } else if (filesystem.exists(folder / name)) {
      files[prefix + name] = filesystem.read_text(folder / name);
    }
  }
}

}  // namespace

FolderFiles files_in(Filesystem& filesystem, const Path& folder) {
  FolderFiles files;
  if (filesystem.is_directory(folder)) collect(filesystem, folder, "", files);
  return files;
}

void write_files(Filesystem& filesystem, const Path& folder, const FolderFiles& files) {
  for (const auto& [name, text] : files) {
    filesystem.create_directory((folder / name).parent_path());
    filesystem.write_text(folder / name, text);
  }
}

testing::AssertionResult same_files(const FolderFiles& found, const FolderFiles& expected) {
  auto result = testing::AssertionFailure();
  for (const auto& [name, text] : expected) {
    const auto match = found.find(name);
    if (match == found.end()) {
      result << name << " is missing; ";
    } else if (match->second != text) {
      result << name << " differs; ";
    }
  }
  for (const auto& [name, text] : found) {
    if (!expected.contains(name)) result << name << " is extra; ";
  }
  return found == expected ? testing::AssertionSuccess() : result;
}

}  // namespace expo
