#pragma once

#include <cstddef>
#include <cstdint>

namespace expo {

enum class CacheState { whole, not_whole, unknown };

/// Whether the page cache holds the bytes [offset, offset + length) of an open file, asked without
/// bringing them in: cachestat(2) since Linux 6.5. `unknown` where the kernel does not know the
/// call, or does not tell it of somebody else's file.
CacheState page_cache_state(int descriptor, std::uint64_t offset, std::size_t length);

/// The same of bytes that are mapped, from mincore(2), which says `whole` of somebody else's file.
CacheState mapped_cache_state(const std::byte* mapped, std::size_t length);

}  // namespace expo
