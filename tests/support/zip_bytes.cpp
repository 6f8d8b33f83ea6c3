#include "support/zip_bytes.h"

namespace expo {
namespace {

constexpr std::uint32_t kElsewhere = 0xffffffff;

std::string extra_field(unsigned id, const std::string& content) {
  return little(id, 2) + little(content.size(), 2) + content;
}

std::string local_header(const ZipMemberBytes& member) {
  const std::uint64_t size = member.local_size.value_or(member.data.size());
  const std::uint64_t shown = member.described_later ? 0 : member.zip64 ? kElsewhere : size;
  const std::string name = member.local_name.value_or(member.name);
  std::string extra;
  if (member.zip64) extra += extra_field(1, little(size, 8) + little(size, 8));
  if (!member.padding.empty()) extra += extra_field(0x4246, member.padding);
  const unsigned flags = member.flags | (member.described_later ? 8u : 0u);
  return "PK\x03\x04" + little(20, 2) + little(flags, 2) + little(member.method, 2) + little(0, 8) +
         little(shown, 4) + little(shown, 4) + little(name.size(), 2) + little(extra.size(), 2) +
         name + extra;
}

std::string directory_entry(const ZipMemberBytes& member, std::uint64_t offset) {
  const std::uint64_t size = member.size.value_or(member.data.size());
  std::string extra;
  if (member.zip64) extra = extra_field(1, little(size, 8) + little(size, 8) + little(offset, 8));
  const std::uint64_t shown = member.zip64 ? kElsewhere : size;
  const unsigned flags = member.flags | (member.described_later ? 8u : 0u);
  return "PK\x01\x02" + little(20, 2) + little(20, 2) + little(flags, 2) +
         little(member.method, 2) + little(0, 8) + little(shown, 4) + little(shown, 4) +
         little(member.name.size(), 2) + little(extra.size(), 2) + little(0, 10) +
         little(member.zip64 ? kElsewhere : offset, 4) + member.name + extra;
}

}  // namespace

std::string little(std::uint64_t value, unsigned bytes) {
  std::string result;
  for (unsigned i = 0; i < bytes; ++i, value >>= 8) result += static_cast<char>(value & 0xff);
  return result;
}

std::string zip_bytes(const std::vector<ZipMemberBytes>& members, const ZipEndBytes& end) {
  std::string bytes = end.before;
  std::string directory;
  for (const ZipMemberBytes& member : members) {
    directory += directory_entry(member, member.header_offset.value_or(bytes.size()));
    bytes += local_header(member) + member.data;
    if (member.described_later) {
      bytes += "PK\x07\x08" + little(0, 4) + little(member.data.size(), 4) +
               little(member.data.size(), 4);
    }
  }
  const std::uint64_t offset = bytes.size();
  const std::uint64_t count = members.size();
  bytes += directory;
  if (end.zip64) {
    const std::uint64_t at = bytes.size();
    bytes += "PK\x06\x06" + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 8) +
             little(count, 8) + little(count, 8) + little(directory.size(), 8) + little(offset, 8);
    bytes += "PK\x06\x07" + little(0, 4) + little(at, 8) + little(1, 4);
  }
  const std::uint64_t shown_count = end.zip64 ? 0xffff : count;
  return bytes + "PK\x05\x06" + little(0, 4) + little(shown_count, 2) + little(shown_count, 2) +
         little(end.zip64 ? kElsewhere : directory.size(), 4) +
         little(end.zip64 ? kElsewhere : offset, 4) + little(end.comment.size(), 2) + end.comment;
}

}  // namespace expo
