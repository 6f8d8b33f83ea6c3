#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace expo {

/// How a tensor's elements lie in a storage, all in elements: the element (i, j, …) is number
/// offset + i·stride[0] + j·stride[1] + … of the storage. Strides of 0 repeat elements.
struct StridedLayout {
  std::uint64_t offset = 0;
  std::vector<std::uint64_t> shape;
  std::vector<std::uint64_t> stride;  ///< as many as shape
};

/// The number of storage elements up to and with the last one that the tensor touches, 0 for a
/// tensor without elements; nothing where it does not fit in 64 bits.
std::optional<std::uint64_t> reach(const StridedLayout& layout) noexcept;

/// True when the elements lie in row-major order without gaps (also without any, or with one).
bool is_contiguous(const StridedLayout& layout) noexcept;

/// Delivers the storage elements [first, first + count), valid until the next call.
using StorageReader =
    std::function<std::span<const std::byte>(std::uint64_t first, std::uint64_t count)>;

/// Writes the elements [first, first + count) of the tensor in row-major order to `out`, which
/// takes count · width bytes. `width` is that of an element in bytes: 1, 2, 4 or 8. Reads the
/// storage in pieces of at most 4 MiB, across gaps where that is cheaper than a call of its own.
/// The range lies within the tensor, and the tensor's shape within 64 bits.
void gather(const StridedLayout& layout, std::uint64_t first, std::uint64_t count,
            std::size_t width, const StorageReader& read, std::byte* out);

}  // namespace expo
