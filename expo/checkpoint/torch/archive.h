#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "expo/checkpoint/torch/zip_directory.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// The zip archive that torch.save has written since PyTorch 1.6: PREFIX/data.pkl, PREFIX/byteorder
/// (in newer versions), and a member PREFIX/data/KEY for every storage. Immutable and thread-safe.
class TorchArchive {
 public:
  /// Throws Error(input) for other files, saying what they are and what to do: files of older
  /// versions (a bare pickle, a tar archive), TorchScript, safetensors, GGUF and Git LFS pointers;
  /// also for big-endian archives, and for what ZipDirectory refuses.
  explicit TorchArchive(const ReadableFile& file);

  /// The bytes of data.pkl, at most 32 MiB.
  std::vector<std::byte> read_pickle_bytes(const ReadableFile& file) const;
  /// The member that holds a storage's bytes; nullptr if there is none with this key.
  const ZipMember* storage(std::string_view key) const;

 private:
  ZipDirectory directory_;
  std::string prefix_;  ///< with a trailing slash
};

}  // namespace expo
