#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// One member of a zip archive, stored uncompressed.
struct ZipMember {
  std::string name;
  std::uint64_t offset = 0;  ///< offset of its data in the file
  std::uint64_t size = 0;    ///< size of its data in bytes
};

/// The members of a zip archive that are stored uncompressed, as PyTorch writes them (zip and
/// zip64, APPNOTE.TXT 6.3.9, sections 4.3 and 4.5). Immutable and thread-safe.
class ZipDirectory {
 public:
  /// Reads and checks the central directory and every local header. Throws Error(input) for
  /// compressed or encrypted members, archives of several disks, comments or stray bytes before or
  /// after the archive, members that overlap, leave the file or occur twice, and headers that
  /// contradict each other. Checksums are not verified. A directory of more than 64 MiB is refused.
  explicit ZipDirectory(const ReadableFile& file);

  /// The members in the order of their positions in the file.
  const std::vector<ZipMember>& members() const { return members_; }
  /// The member of that name, or nullptr; valid as long as this object.
  const ZipMember* find(std::string_view name) const;

 private:
  std::vector<ZipMember> members_;
  std::vector<std::size_t> by_name_;  ///< indices into members_, in the order of the names
};

}  // namespace expo
