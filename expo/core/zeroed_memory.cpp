#include "expo/core/zeroed_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <utility>

#include "expo/core/error.h"

namespace expo {

ZeroedMemory::ZeroedMemory(std::size_t size) : size_(size) {
  if (size == 0) return;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    throw environment_error(
        fmt::format("cannot allocate {} MB of memory", (size + 999'999) / 1'000'000));
  }
#if defined(MADV_HUGEPAGE)
  madvise(memory, size, MADV_HUGEPAGE);  // a request that the system may refuse
#endif
  data_ = static_cast<std::byte*>(memory);
}

ZeroedMemory::~ZeroedMemory() {
  if (data_ != nullptr) munmap(data_, size_);
}

ZeroedMemory::ZeroedMemory(ZeroedMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

ZeroedMemory& ZeroedMemory::operator=(ZeroedMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace expo
