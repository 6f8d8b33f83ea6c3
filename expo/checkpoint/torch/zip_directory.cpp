#include "expo/checkpoint/torch/zip_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <optional>

#include "expo/core/error.h"

namespace expo {
namespace {

static_assert(std::endian::native == std::endian::little);

using Bytes = std::span<const std::byte>;

constexpr std::uint64_t kMaxDirectory = std::uint64_t{64} << 20;
constexpr std::uint64_t kEndSize = 22;
constexpr std::uint64_t kEnd64Size = 56;
constexpr std::uint64_t kLocatorSize = 20;
constexpr std::size_t kCentralSize = 46;
constexpr std::size_t kLocalSize = 30;

constexpr std::uint32_t kLocalMark = 0x04034b50;
constexpr std::uint32_t kCentralMark = 0x02014b50;
constexpr std::uint32_t kEndMark = 0x06054b50;
constexpr std::uint32_t kEnd64Mark = 0x06064b50;
constexpr std::uint32_t kLocatorMark = 0x07064b50;

// Means "see the zip64 field" in a field of 16 or 32 bits.
constexpr std::uint16_t kElsewhere16 = 0xffff;
constexpr std::uint32_t kElsewhere32 = 0xffffffff;

constexpr unsigned kEncryptedFlags = 0x0001 | 0x0040 | 0x2000;
constexpr unsigned kDescriptorFlag = 0x0008;
constexpr unsigned kHarmlessFlags = kDescriptorFlag | 0x0800 | 0x0006;

template <typename T>
T load(Bytes bytes, std::size_t position) {
  T value;
  std::memcpy(&value, bytes.subspan(position, sizeof(T)).data(), sizeof(T));
  return value;
}

std::string text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The position of the central directory.
struct DirectoryPlace {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t entries = 0;
};

/// One entry of the central directory.
struct CentralEntry {
  std::string name;
  unsigned flags = 0;
  unsigned method = 0;
  std::uint64_t header_offset = 0;
  std::uint64_t stored_size = 0;
  std::uint64_t size = 0;
};

/// Reads the sizes and the offset from a zip64 extra field, in the order of the fields that need
/// them.
class Zip64Field {
 public:
  explicit Zip64Field(Bytes extra) {
    while (extra.size() >= 4) {
      const std::size_t length = load<std::uint16_t>(extra, 2);
      if (length > extra.size() - 4) return;
      if (load<std::uint16_t>(extra, 0) == 1) {
        values_ = extra.subspan(4, length);
        return;
      }
      extra = extra.subspan(4 + length);
    }
  }

  std::optional<std::uint64_t> next() {
    if (values_.size() < 8) return std::nullopt;
    const auto value = load<std::uint64_t>(values_, 0);
    values_ = values_.subspan(8);
    return value;
  }

 private:
  Bytes values_;
};

class DirectoryReader {
 public:
  explicit DirectoryReader(const ReadableFile& file) : file_(file), where_(file.path().string()) {}

  std::vector<ZipMember> read() {
    const DirectoryPlace place = find_directory();
    if (place.size > kMaxDirectory) {
      fail(fmt::format("its zip directory has {} bytes, but at most {} are read", place.size,
                       kMaxDirectory));
    }
    std::vector<CentralEntry> entries = read_entries(place);
    std::ranges::stable_sort(entries, {}, &CentralEntry::header_offset);
    return locate(entries, place.offset);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw input_error(
        fmt::format("{}: {}; the file is damaged, or not as torch.save writes it", where_, what));
  }
  [[noreturn]] void fail(const CentralEntry& entry, const std::string& what) const {
    fail(fmt::format("the member \"{}\" of the zip archive {}", entry.name, what));
  }

  Bytes at(std::uint64_t offset, std::uint64_t length) {
    return file_.read(offset, static_cast<std::size_t>(length), scratch_);
  }

  /// The end record must be the last thing in the file: a comment after it could contain another
  /// one, and then two readers would see different archives.
  DirectoryPlace find_directory() {
    const std::uint64_t size = file_.size();
    if (size < kEndSize) fail(fmt::format("a zip archive has more than {} bytes", size));
    const std::uint64_t end = size - kEndSize;
    const Bytes record = at(end, kEndSize);
    if (load<std::uint32_t>(record, 0) != kEndMark || load<std::uint16_t>(record, 20) != 0) {
      throw input_error(where_ +
                        ": the file does not end like a zip archive; it was cut short, perhaps "
                        "by an incomplete download, or a comment or stray bytes follow it");
    }
    const unsigned disk = load<std::uint16_t>(record, 4);
    const unsigned first_disk = load<std::uint16_t>(record, 6);
    const unsigned entries_here = load<std::uint16_t>(record, 8);
    DirectoryPlace place{load<std::uint32_t>(record, 16), load<std::uint32_t>(record, 12),
                         load<std::uint16_t>(record, 10)};
    const bool elsewhere =
        place.offset == kElsewhere32 || place.size == kElsewhere32 || place.entries == kElsewhere16;
    const bool zip64 =
        end >= kLocatorSize && load<std::uint32_t>(at(end - kLocatorSize, 4), 0) == kLocatorMark;
    if (elsewhere && !zip64) fail("its zip64 end record is missing");
    const bool many = (disk != 0 && disk != kElsewhere16) ||
                      (first_disk != 0 && first_disk != kElsewhere16) ||
                      entries_here != place.entries;
    if (many) fail("its zip archive is spread over several disks");
    return checked(zip64 ? find_directory64(end, place) : place,
                   zip64 ? end - kLocatorSize - kEnd64Size : end);
  }

  DirectoryPlace find_directory64(std::uint64_t end, const DirectoryPlace& small) {
    if (end < kLocatorSize + kEnd64Size) fail("its zip64 end record is missing");
    const std::uint64_t position = end - kLocatorSize - kEnd64Size;
    const Bytes record = at(position, kEnd64Size + kLocatorSize);
    const Bytes locator = record.subspan(kEnd64Size);
    if (load<std::uint32_t>(locator, 4) != 0 || load<std::uint32_t>(locator, 16) > 1) {
      fail("its zip archive is spread over several disks");
    }
    if (load<std::uint64_t>(locator, 8) != position ||
        load<std::uint32_t>(record, 0) != kEnd64Mark ||
        load<std::uint64_t>(record, 4) != kEnd64Size - 12) {
      fail("its zip64 end record is not where its locator says");
    }
    if (load<std::uint32_t>(record, 16) != 0 || load<std::uint32_t>(record, 20) != 0 ||
        load<std::uint64_t>(record, 24) != load<std::uint64_t>(record, 32)) {
      fail("its zip archive is spread over several disks");
    }
    const DirectoryPlace large{load<std::uint64_t>(record, 48), load<std::uint64_t>(record, 40),
                               load<std::uint64_t>(record, 32)};
    const bool agree = (small.offset == kElsewhere32 || small.offset == large.offset) &&
                       (small.size == kElsewhere32 || small.size == large.size) &&
                       (small.entries == kElsewhere16 || small.entries == large.entries);
    if (!agree) fail("its zip and zip64 end records contradict each other");
    return large;
  }

  DirectoryPlace checked(const DirectoryPlace& place, std::uint64_t end) const {
    if (place.offset > end || place.size != end - place.offset) {
      fail(fmt::format(
          "its zip directory is declared to have {} bytes from byte {} on but ends at {}",
          place.size, place.offset, end));
    }
    if (place.entries > place.size / kCentralSize) {
      fail(fmt::format("its zip directory of {} bytes cannot hold the {} entries that it claims",
                       place.size, place.entries));
    }
    return place;
  }

  std::vector<CentralEntry> read_entries(const DirectoryPlace& place) {
    Bytes rest = at(place.offset, place.size);
    std::vector<CentralEntry> entries;
    while (!rest.empty()) {
      if (rest.size() < kCentralSize || load<std::uint32_t>(rest, 0) != kCentralMark) {
        fail(fmt::format("entry {} of its zip directory is malformed", entries.size()));
      }
      const std::size_t name = load<std::uint16_t>(rest, 28);
      const std::size_t extra = load<std::uint16_t>(rest, 30);
      const std::size_t length = kCentralSize + name + extra + load<std::uint16_t>(rest, 32);
      if (length > rest.size()) {
        fail(fmt::format("entry {} of its zip directory extends beyond its end", entries.size()));
      }
      entries.push_back(read_entry(rest, name, extra));
      rest = rest.subspan(length);
    }
    if (entries.size() != place.entries) {
      fail(fmt::format("its zip directory has {} entries, but {} are declared", entries.size(),
                       place.entries));
    }
    return entries;
  }

  CentralEntry read_entry(Bytes record, std::size_t name_length, std::size_t extra_length) const {
    CentralEntry entry;
    entry.name = text(record.subspan(kCentralSize, name_length));
    entry.flags = load<std::uint16_t>(record, 8);
    entry.method = load<std::uint16_t>(record, 10);
    entry.stored_size = load<std::uint32_t>(record, 20);
    entry.size = load<std::uint32_t>(record, 24);
    entry.header_offset = load<std::uint32_t>(record, 42);
    Zip64Field zip64(record.subspan(kCentralSize + name_length, extra_length));
    for (std::uint64_t* field : {&entry.size, &entry.stored_size, &entry.header_offset}) {
      if (*field != kElsewhere32) continue;
      const auto value = zip64.next();
      if (!value) fail(entry, "lacks the zip64 field that its sizes refer to");
      *field = *value;
    }
    const unsigned disk = load<std::uint16_t>(record, 34);
    if (disk != 0 && disk != kElsewhere16) fail(entry, "is on another disk");
    check_plain(entry);
    return entry;
  }

  void check_plain(const CentralEntry& entry) const {
    if ((entry.flags & kEncryptedFlags) != 0) fail(entry, "is encrypted");
    if (entry.method != 0) {
      fail(entry, fmt::format("is compressed (method {}), but torch.save stores its members "
                              "uncompressed (a TorchScript program compresses its code; save its "
                              "state_dict() instead)",
                              entry.method));
    }
    if ((entry.flags & ~kHarmlessFlags) != 0) {
      fail(entry, fmt::format("has the unknown flags {:#x}", entry.flags));
    }
    if (entry.stored_size != entry.size) {
      fail(entry, fmt::format("is stored uncompressed but takes {} bytes for {}", entry.stored_size,
                              entry.size));
    }
  }

  /// Finds the data of every member; the members must follow one another from the file's first byte
  /// to the directory. `entries` ascend by their headers.
  std::vector<ZipMember> locate(const std::vector<CentralEntry>& entries, std::uint64_t end) {
    if (!entries.empty() && entries.front().header_offset != 0) {
      fail(fmt::format("{} stray bytes lie before its zip archive", entries.front().header_offset));
    }
    std::vector<ZipMember> members;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const bool last = i + 1 == entries.size();
      const std::uint64_t limit = last ? end : std::min(end, entries[i + 1].header_offset);
      members.push_back(locate(entries[i], limit));
    }
    return members;
  }

  ZipMember locate(const CentralEntry& entry, std::uint64_t limit) {
    const auto require_space = [&](std::uint64_t from, std::uint64_t length) {
      if (from <= limit && length <= limit - from) return;
      fail(entry, "overlaps another one or leaves the file");
    };
    require_space(entry.header_offset, kLocalSize);
    const Bytes fixed = at(entry.header_offset, kLocalSize);
    if (load<std::uint32_t>(fixed, 0) != kLocalMark) fail(entry, "has no local header");
    const unsigned flags = load<std::uint16_t>(fixed, 6);
    const unsigned method = load<std::uint16_t>(fixed, 8);
    const auto stored_size = load<std::uint32_t>(fixed, 18);
    const auto size = load<std::uint32_t>(fixed, 22);
    const std::size_t name = load<std::uint16_t>(fixed, 26);
    const std::size_t extra = load<std::uint16_t>(fixed, 28);
    const std::uint64_t rest = entry.header_offset + kLocalSize;
    require_space(rest, name + extra);
    require_space(rest + name + extra, entry.size);

    const Bytes variable = at(rest, name + extra);
    Zip64Field zip64(variable.subspan(name));
    const bool agree = flags == entry.flags && method == entry.method &&
                       text(variable.first(name)) == entry.name &&
                       size_agrees(size, entry, zip64) && size_agrees(stored_size, entry, zip64);
    if (!agree) fail(entry, "is described differently by its local header and the directory");
    return {entry.name, rest + name + extra, entry.size};
  }

  /// A size in the local header may be deferred to the data descriptor.
  static bool size_agrees(std::uint32_t local, const CentralEntry& entry, Zip64Field& zip64) {
    const bool later = (entry.flags & kDescriptorFlag) != 0;
    std::uint64_t size = local;
    if (local == kElsewhere32) {
      const auto large = zip64.next();
      if (!large) return later;
      size = *large;
    }
    return size == entry.size || (later && size == 0);
  }

  const ReadableFile& file_;
  std::string where_;
  AlignedBuffer scratch_;
};

}  // namespace

ZipDirectory::ZipDirectory(const ReadableFile& file)
    : members_(DirectoryReader(file).read()), by_name_(members_.size()) {
  std::iota(by_name_.begin(), by_name_.end(), std::size_t{0});
  const auto name = [&](std::size_t i) -> const std::string& { return members_[i].name; };
  std::ranges::sort(by_name_, {}, name);
  const auto twice = std::ranges::adjacent_find(by_name_, {}, name);
  if (twice != by_name_.end()) {
    throw input_error(fmt::format(
        "{}: the zip archive has two members named \"{}\"; the file is damaged or forged",
        file.path().string(), name(*twice)));
  }
}

const ZipMember* ZipDirectory::find(std::string_view name) const {
  const auto found = std::ranges::lower_bound(
      by_name_, name, {}, [&](std::size_t i) { return std::string_view(members_[i].name); });
  if (found == by_name_.end() || members_[*found].name != name) return nullptr;
  return &members_[*found];
}

}  // namespace expo
