#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "expo/checkpoint/torch/zip_directory.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// The zip archive that torch.save writes since PyTorch 1.6: PREFIX/data.pkl, PREFIX/byteorder (by
/// newer versions), and a member PREFIX/data/KEY for every storage. Immutable, thread-safe.
class TorchArchive {
 public:
  /// Throws Error(input) for other files, saying what they are and what to do: files of older
  /// versions (a bare pickle, a tar archive), TorchScript, safetensors, GGUF, Git LFS pointers;
  /// also for big-endian archives, and what ZipDirectory refuses.
  explicit TorchArchive(const ReadableFile& file);

  /// The bytes of data.pkl, at most 32 MiB.
  std::vector<std::byte> read_pickle_bytes(const ReadableFile& file) const;
  /// Where a storage's bytes lie; null when there is none of this key.
  const ZipMember* storage(std::string_view key) const;

 private:
  ZipDirectory directory_;
  std::string prefix_;  ///< with the slash
};

}  // namespace expo
