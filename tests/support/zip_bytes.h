#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace expo {

/// A member of a zip archive that is composed by hand, with deliberate errors if wanted.
struct ZipMemberBytes {
  std::string name;
  std::string data;
  unsigned flags = 0;
  unsigned method = 0;
  bool zip64 = false;                          ///< whether sizes and offset are in extra fields
  bool described_later = false;                ///< whether the sizes follow the data
  std::string padding = {};                    ///< padding in the local header's extra field "FB"
  std::optional<std::string> local_name = {};  ///< set if it differs from the directory's
  std::optional<std::uint64_t> size = {};      ///< size in the directory
  std::optional<std::uint64_t> local_size = {};
  std::optional<std::uint64_t> header_offset = {};
};

/// The records at the end of an archive.
struct ZipEndBytes {
  bool zip64 = false;
  std::string comment = {};
  std::string before = {};  ///< bytes before the first member, which offsets include
};

/// The little-endian bytes of a number.
std::string little(std::uint64_t value, unsigned bytes);

/// A zip archive of these members, without checksums.
std::string zip_bytes(const std::vector<ZipMemberBytes>& members, const ZipEndBytes& end = {});

}  // namespace expo
