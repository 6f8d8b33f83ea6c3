#pragma once

#include "expo/checkpoint/output/atomic_directory.h"
#include "support/folder_files.h"

namespace expo {

inline const std::filesystem::path kOut = "/disk/out";
inline const FolderFiles kNew = {{"config.json", "{\"new\":1}"},
                                 {"model-00001-of-00002.safetensors", "first shard"},
                                 {"model-00002-of-00002.safetensors", "second shard"},
                                 {"additional_chat_templates/t.jinja", "text"}};
inline const FolderFiles kOld = {{"config.json", "{}"}, {"model.safetensors", "old weights"}};

/// A run that writes kNew, with a journal of its own.
inline void run_once(Filesystem& filesystem, const std::filesystem::path& out,
                     const AtomicDirectoryOptions& options, bool keep = true) {
  AtomicDirectory directory(filesystem, out, options);
  directory.keep_on_failure(keep);
  filesystem.write_text(directory.partial() / ".expo-journal.json", "{}");
  write_files(filesystem, directory.partial(), kNew);
  directory.commit();
}

}  // namespace expo
