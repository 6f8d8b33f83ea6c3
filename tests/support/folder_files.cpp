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

}  // namespace expo
