#include "expo/extrapolation/write/input_digest.h"

#include <fmt/format.h>

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "expo/core/error.h"

namespace expo {

std::string text_digest(std::string_view text) {
  return fmt::format("xxh3-64:{:016x}", XXH3_64bits(text.data(), text.size()));
}

Json to_json(const std::vector<FileDigest>& digests) {
  Json list = Json::array();
  for (const FileDigest& file : digests) {
    list.push_back({{"file", std::filesystem::path(file.path).filename().string()},
                    {"size", file.size},
                    {"digest", file.digest}});
  }
  return list;
}

/// The hash of one file up to `position`, and the range whose turn it is.
struct InputDigest::File {
  XXH3_state_t* state = XXH3_createState();
  std::uint64_t position = 0;
  std::uint64_t announced_end = 0;
  std::size_t announced = 0;
  std::size_t next = 0;
  bool given_up = false;
  bool aborted = false;
  std::mutex mutex;
  std::condition_variable turn;
  AlignedBuffer scratch;

  File() { XXH3_128bits_reset(state); }
  ~File() { XXH3_freeState(state); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  void update(std::span<const std::byte> bytes) {
    XXH3_128bits_update(state, bytes.data(), bytes.size());
    position += bytes.size();
  }

  /// Hashes the bytes up to `end` that no tensor read delivers: headers, padding, and tensors that
  /// an earlier run has done.
  void read_up_to(Filesystem& filesystem, const SourceFile& source, std::uint64_t end,
                  const CancellationToken* cancellation) {
    if (position >= end) return;
    constexpr std::uint64_t kStep = std::uint64_t{4} << 20;
    const auto file = filesystem.open(source.path, Caching::direct);
    while (position < end) {
      if (cancellation != nullptr) cancellation->check();
      update(
          file->read(position, static_cast<std::size_t>(std::min(kStep, end - position)), scratch));
    }
  }

  void start_again() {
    XXH3_128bits_reset(state);
    position = 0;
  }
};

InputDigest::InputDigest(Filesystem& filesystem, const Checkpoint& checkpoint)
    : filesystem_(filesystem), checkpoint_(checkpoint) {
  for (const SourceFile& source : checkpoint.files()) {
    files_.push_back(std::make_unique<File>());
    files_.back()->given_up = source.sha256.has_value();
  }
}

InputDigest::~InputDigest() = default;

std::size_t InputDigest::announce(const Range& range) {
  File& file = *files_[range.file];
  if (range.offset < file.announced_end) file.given_up = true;
  file.announced_end = range.offset + range.bytes;
  ranges_.push_back(range);
  order_.push_back(file.announced++);
  return ranges_.size() - 1;
}

void InputDigest::add(std::size_t ticket, std::span<const std::byte> bytes) {
  const Range& range = ranges_[ticket];
  File& file = *files_[range.file];
  std::unique_lock lock(file.mutex);
  file.turn.wait(lock,
                 [&] { return file.given_up || file.aborted || file.next == order_[ticket]; });
  if (file.aborted) throw interrupted_error("stopped, because another thread failed");
  if (file.given_up) return;
  file.read_up_to(filesystem_, checkpoint_.files()[range.file], range.offset, nullptr);
  file.update(bytes);
  ++file.next;
  file.turn.notify_all();
}

void InputDigest::give_up(std::size_t number) {
  File& file = *files_[number];
  const std::lock_guard lock(file.mutex);
  file.given_up = true;
  file.turn.notify_all();
}

void InputDigest::abort() {
  for (const auto& file : files_) {
    const std::lock_guard lock(file->mutex);
    file->aborted = true;
    file->turn.notify_all();
  }
}

std::vector<FileDigest> InputDigest::finish(const CancellationToken& cancellation) {
  std::vector<FileDigest> digests;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const SourceFile& source = checkpoint_.files()[i];
    FileDigest digest{source.path.string(), source.size, {}};
    if (source.sha256) {
      digest.digest = "sha256:" + *source.sha256;
    } else {
      File& file = *files_[i];
      if (file.given_up || file.next != file.announced) file.start_again();
      file.read_up_to(filesystem_, source, source.size, &cancellation);
      const XXH128_hash_t hash = XXH3_128bits_digest(file.state);
      digest.digest = fmt::format("xxh3-128:{:016x}{:016x}", hash.high64, hash.low64);
    }
    digests.push_back(std::move(digest));
  }
  return digests;
}

void InputDigest::Tap::begin(std::size_t ticket) {
  ticket_ = ticket;
  pending_ = true;
}

void InputDigest::Tap::file_bytes(std::size_t file, std::uint64_t offset,
                                  std::span<const std::byte> bytes) {
  const Range& range = digest_.ranges_[ticket_];
  if (!pending_ || file != range.file || offset != range.offset || bytes.size() != range.bytes)
    return;
  pending_ = false;
  digest_.add(ticket_, bytes);
}

void InputDigest::Tap::end() {
  if (pending_) digest_.give_up(digest_.ranges_[ticket_].file);
  pending_ = false;
}

}  // namespace expo
