#include "expo/checkpoint/torch/archive.h"

#include <fmt/format.h>

#include <algorithm>

#include "expo/checkpoint/folder/mistaken_file.h"
#include "expo/core/error.h"

namespace expo {
namespace {

constexpr std::uint64_t kMaxPickle = std::uint64_t{32} << 20;
constexpr std::string_view kPickleName = "data.pkl";
constexpr std::size_t kTarMagic = 257;  ///< offset of "ustar" in a tar archive

std::string_view text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Says why a file that is not a zip archive cannot be read, and what to do.
std::string explain(std::string_view head, const std::string& where) {
  const std::string save_again = fmt::format(
      "save it again with a current PyTorch: torch.save(torch.load(\"{}\", weights_only=True, "
      "map_location=\"cpu\"), …)",
      where);
  if (head.empty()) return "the file is empty; perhaps an incomplete download";
  if (head.starts_with('\x80')) {
    return "a bare pickle, as torch.save wrote it before PyTorch 1.6; " + save_again;
  }
  if (head.size() > kTarMagic && head.substr(kTarMagic).starts_with("ustar")) {
    return "a tar archive, as torch.save wrote it before PyTorch 0.1.10; " + save_again;
  }
  if (const auto other = mistaken_file(head)) return std::string(*other);
  return "not a file of torch.save, because it does not begin as a zip archive does";
}

const ReadableFile& require_zip(const ReadableFile& file) {
  AlignedBuffer scratch;
  const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), 512));
  const std::string_view head = text(file.read(0, length, scratch));
  if (!head.starts_with("PK\x03\x04")) {
    const std::string where = file.path().string();
    throw input_error(where + ": " + explain(head, where));
  }
  return file;
}

/// The folder in the archive that holds data.pkl, with a trailing slash.
std::string find_prefix(const ZipDirectory& directory, const std::string& where) {
  std::string found;
  for (const ZipMember& member : directory.members()) {
    const std::size_t slash = member.name.find('/');
    if (slash == std::string::npos || member.name.substr(slash + 1) != kPickleName) continue;
    if (!found.empty()) {
      throw input_error(where +
                        ": the zip archive holds two files named data.pkl; torch.save "
                        "writes one");
    }
    found = member.name.substr(0, slash + 1);
  }
  if (found.empty()) {
    throw input_error(where +
                      ": the zip archive has no data.pkl, so torch.save did not "
                      "write it: it is no PyTorch checkpoint");
  }
  return found;
}

}  // namespace

TorchArchive::TorchArchive(const ReadableFile& file)
    : directory_(require_zip(file)), prefix_(find_prefix(directory_, file.path().string())) {
  const std::string where = file.path().string();
  if (directory_.find(prefix_ + "constants.pkl") != nullptr) {
    throw input_error(where +
                      ": a TorchScript program, which holds code; save the weights alone, "
                      "with torch.save(torch.jit.load(…).state_dict(), …)");
  }
  const ZipMember* order = directory_.find(prefix_ + "byteorder");
  if (order == nullptr) return;
  AlignedBuffer scratch;
  const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(order->size, 16));
  const std::string_view word = text(file.read(order->offset, length, scratch));
  if (word == "little") return;
  throw input_error(
      fmt::format("{}: its byteorder is {}; expected \"little\": save it again on a little-endian "
                  "machine",
                  where, word == "big" ? "\"big\"" : "neither big nor little"));
}

std::vector<std::byte> TorchArchive::read_pickle_bytes(const ReadableFile& file) const {
  const ZipMember* member = directory_.find(prefix_ + std::string(kPickleName));
  if (member->size > kMaxPickle) {
    throw input_error(fmt::format("{}: its data.pkl has {} bytes, but at most {} are read",
                                  file.path().string(), member->size, kMaxPickle));
  }
  AlignedBuffer scratch;
  const auto bytes = file.read(member->offset, static_cast<std::size_t>(member->size), scratch);
  return {bytes.begin(), bytes.end()};
}

const ZipMember* TorchArchive::storage(std::string_view key) const {
  return directory_.find(fmt::format("{}data/{}", prefix_, key));
}

}  // namespace expo
