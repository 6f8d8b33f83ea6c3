#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace expo {

/// Memory for data that is written once and read later, of which there may be more than fits into
/// the machine: whatever fills a block goes to an unlinked temporary file and is read from there,
/// so that the process holds one block and what it has touched lately. Addresses stay valid for the
/// life of the object. If the file cannot be written (a full disk), the block stays in memory. Not
/// thread-safe; reading is.
class SpillingMemory {
 public:
  /// `block` is rounded up to whole pages.
  explicit SpillingMemory(std::size_t block = std::size_t{16} << 20);
  ~SpillingMemory();
  SpillingMemory(const SpillingMemory&) = delete;
  SpillingMemory& operator=(const SpillingMemory&) = delete;

  /// Returns `size` bytes, aligned for any type of up to 8 bytes. They must be written before the
  /// next call and not afterwards. Throws std::bad_alloc.
  std::span<std::byte> allocate(std::size_t size);

  std::size_t spilled_bytes() const { return spilled_; }

 private:
  void begin_block(std::size_t least);
  void spill();
  bool write_to_file(const std::byte* data, std::size_t size);

  std::size_t block_;
  std::vector<std::span<std::byte>> blocks_;  ///< the last is being filled
  std::size_t used_ = 0;                      ///< of the last block
  std::size_t spilled_ = 0;
  int file_ = -1;  ///< none until the first block is full
};

}  // namespace expo
