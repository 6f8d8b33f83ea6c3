#include "expo/core/disk/page_cache.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace expo {
namespace {

// The number is the same on every architecture; the C library may be older than the kernel.
#if defined(SYS_cachestat)
constexpr long kCachestat = SYS_cachestat;
#else
constexpr long kCachestat = 451;
#endif

// As declared in include/uapi/linux/mman.h.
struct CachestatRange {
  std::uint64_t offset;
  std::uint64_t length;
};
struct Cachestat {
  std::uint64_t cached;
  std::uint64_t dirty;
  std::uint64_t writeback;
  std::uint64_t evicted;
  std::uint64_t recently_evicted;
};

std::uint64_t page_size() {
  static const auto size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

}  // namespace

CacheState page_cache_state(int descriptor, std::uint64_t offset, std::size_t length) {
  if (length == 0) return CacheState::whole;
  CachestatRange range{offset, length};
  Cachestat found{};
  if (::syscall(kCachestat, descriptor, &range, &found, 0U) != 0) return CacheState::unknown;
  const std::uint64_t pages = (offset + length - 1) / page_size() - offset / page_size() + 1;
  return found.cached >= pages ? CacheState::whole : CacheState::not_whole;
}

CacheState mapped_cache_state(const std::byte* mapped, std::size_t length) {
  const auto lead =
      static_cast<std::size_t>(reinterpret_cast<std::uintptr_t>(mapped) % page_size());
  const std::byte* page = mapped - lead;
  std::size_t left = lead + length;
  std::array<unsigned char, 1024> resident{};
  while (left > 0) {
    const std::size_t size = std::min<std::size_t>(left, resident.size() * page_size());
    // Linux does not write through the address; other systems declare it as a pointer to constant
    // bytes.
    if (::mincore(const_cast<std::byte*>(page), size, resident.data()) != 0)
      return CacheState::unknown;
    const auto end =
        resident.begin() + static_cast<std::ptrdiff_t>((size + page_size() - 1) / page_size());
    if (std::any_of(resident.begin(), end, [](unsigned char one) { return (one & 1) == 0; }))
      return CacheState::not_whole;
    page += size;
    left -= size;
  }
  return CacheState::whole;
}

}  // namespace expo
