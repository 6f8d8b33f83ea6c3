#pragma once

#include <filesystem>

#include "expo/checkpoint/output/atomic_directory.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// The place of an output: a checkpoint folder, or, for a name that ends in .gguf (in any case), a
/// single file. Either appears whole or not at all; a file is written in a hidden folder beside it
/// and renamed.
class OutputPlace {
 public:
  /// Prepares the folder to write into. Throws what check() throws, and Error(environment).
  OutputPlace(Filesystem& filesystem, const std::filesystem::path& output,
              const AtomicDirectoryOptions& options);

  /// Checks whether an output can be put there; changes nothing. Throws Error(usage) if it cannot.
  static void check(Filesystem& filesystem, const std::filesystem::path& output,
                    const AtomicDirectoryOptions& options);
  static bool is_file(const std::filesystem::path& output);

  /// The folder to write into, with its state.
  AtomicDirectory& directory() { return directory_; }
  void commit();

 private:
  Filesystem& filesystem_;
  std::filesystem::path output_;
  bool overwrite_;
  AtomicDirectory directory_;
};

}  // namespace expo
