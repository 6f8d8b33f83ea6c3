#include "expo/core/disk/spilling_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>

namespace expo {
namespace {

constexpr std::size_t kAlignment = 8;

std::size_t rounded_up(std::size_t size, std::size_t unit) {
  return (size + unit - 1) / unit * unit;
}

std::size_t page_size() {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

/// A file without a name, which goes away with its descriptor; -1 if there is none to be had.
int temporary_file() {
  std::error_code error;
  const std::string folder = std::filesystem::temp_directory_path(error).string();
  if (error) return -1;
  const int unnamed = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (unnamed >= 0) return unnamed;
  std::string path = folder + "/expo-XXXXXX";  // not every file system has files without names
  const int named = ::mkostemp(path.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(path.c_str());
  return named;
}

}  // namespace

SpillingMemory::SpillingMemory(std::size_t block) : block_(rounded_up(block, page_size())) {}

SpillingMemory::~SpillingMemory() {
  for (const std::span<std::byte> block : blocks_) ::munmap(block.data(), block.size());
  if (file_ >= 0) ::close(file_);
}

std::span<std::byte> SpillingMemory::allocate(std::size_t size) {
  const std::size_t needed = rounded_up(size, kAlignment);
  if (blocks_.empty() || needed > blocks_.back().size() - used_) {
    if (!blocks_.empty()) spill();
    begin_block(needed);
  }
  const auto result = blocks_.back().subspan(used_, size);
  used_ += needed;
  return result;
}

void SpillingMemory::begin_block(std::size_t least) {
  const std::size_t size = std::max(block_, rounded_up(least, page_size()));
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) throw std::bad_alloc();
  blocks_.emplace_back(static_cast<std::byte*>(data), size);
  used_ = 0;
}

/// Replaces the last block by the same bytes in the file, at the same address.
void SpillingMemory::spill() {
  const std::span<std::byte> block = blocks_.back();
  if (file_ == -1) file_ = temporary_file();
  if (file_ < 0 || !write_to_file(block.data(), block.size())) return;
  const void* mapped = ::mmap(block.data(), block.size(), PROT_READ, MAP_SHARED | MAP_FIXED, file_,
                              static_cast<off_t>(spilled_));
  // A failed replacement may have removed the block, whose address others hold.
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  spilled_ += block.size();
}

bool SpillingMemory::write_to_file(const std::byte* data, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t written =
        ::pwrite(file_, data + done, size - done, static_cast<off_t>(spilled_ + done));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    done += static_cast<std::size_t>(written);
  }
  return true;
}

}  // namespace expo
