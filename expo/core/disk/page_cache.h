#pragma once

#include <cstddef>
#include <cstdint>

namespace expo {

/// How much of a range of bytes the page cache holds, if the kernel tells.
enum class CacheState { whole, not_whole, unknown };

/// Whether the page cache holds the bytes [offset, offset + length) of an open file, without
/// bringing them in. Uses cachestat(2), which Linux has since 6.5. Returns `unknown` if the kernel
/// lacks the call or does not answer it for another user's file.
CacheState page_cache_state(int descriptor, std::uint64_t offset, std::size_t length);

/// Answers the same for mapped bytes by mincore(2), which reports another user's file as `whole`.
CacheState mapped_cache_state(const std::byte* mapped, std::size_t length);

}  // namespace expo
