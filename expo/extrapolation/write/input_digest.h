#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/json.h"
#include "expo/core/progress.h"

namespace expo {

/// The digest of one input file: "xxh3-128:<32 hex digits>" as `xxhsum -H2` prints it, or
/// "sha256:…" if the Hugging Face cache names the file by its SHA-256.
struct FileDigest {
  std::string path;
  std::uint64_t size = 0;
  std::string digest;
};

/// The digest of a text: "xxh3-64:<16 hex digits>" as `xxhsum -H3` prints it.
std::string text_digest(std::string_view text);

/// Returns [{"file": NAME, "size": …, "digest": …}, …], as run.json keeps it.
Json to_json(const std::vector<FileDigest>& digests);

/// Computes the digests of the files of a checkpoint while the pipeline reads their tensors, so
/// that no byte is read twice. The ranges are announced in advance in the order in which they will
/// be read; a file whose ranges do not ascend, or are not read as announced, is read again at the
/// end. Thread-safe after the announcements.
class InputDigest {
 public:
  InputDigest(Filesystem& filesystem, const Checkpoint& checkpoint);
  ~InputDigest();

  /// A part of one of the checkpoint's files.
  struct Range {
    std::size_t file = 0;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };

  /// Returns the ticket with which the range is read later.
  std::size_t announce(const Range& range);

  /// One thread's access: point ReadScratch::observer at it, and call begin(ticket) before
  /// Checkpoint::read and end() after it. If the read did not deliver the announced range in one
  /// piece, end() leaves the file to be read again at the end.
  class Tap final : public FileBytesObserver {
   public:
    explicit Tap(InputDigest& digest) : digest_(digest) {}
    void begin(std::size_t ticket);
    void end();
    void file_bytes(std::size_t file, std::uint64_t offset,
                    std::span<const std::byte> bytes) override;

   private:
    InputDigest& digest_;
    std::size_t ticket_ = 0;
    bool pending_ = false;
  };

  /// Wakes every waiting thread with Error(interrupted); to be called after a failure elsewhere.
  void abort();

  /// Returns the digests of all files; call it after the last read. It hashes what no tensor
  /// covered, and reads files again if it must.
  std::vector<FileDigest> finish(const CancellationToken& cancellation);

 private:
  struct File;
  void add(std::size_t ticket, std::span<const std::byte> bytes);
  void give_up(std::size_t file);

  Filesystem& filesystem_;
  const Checkpoint& checkpoint_;
  std::vector<std::unique_ptr<File>> files_;
  std::vector<Range> ranges_;
  std::vector<std::size_t> order_;  ///< the position of each range among those of its file
};

}  // namespace expo
