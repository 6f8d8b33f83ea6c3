#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace expo {

/// The places of a tensor's elements in a storage, counted in elements: element (i, j, …) is number
/// offset + i·stride[0] + j·stride[1] + … of the storage. A stride of 0 repeats elements.
struct StridedLayout {
  std::uint64_t offset = 0;
  std::vector<std::uint64_t> shape;
  std::vector<std::uint64_t> stride;  ///< as many entries as shape
};

/// The number of storage elements up to and including the last one that the tensor touches, 0 for a
/// tensor without elements; std::nullopt if it does not fit in 64 bits.
std::optional<std::uint64_t> reach(const StridedLayout& layout) noexcept;

/// True if the elements are in row-major order without gaps (also if there are none or only one).
bool is_contiguous(const StridedLayout& layout) noexcept;

/// Returns the storage elements [first, first + count), valid until the next call.
using StorageReader =
    std::function<std::span<const std::byte>(std::uint64_t first, std::uint64_t count)>;

/// Writes the elements [first, first + count) of the tensor in row-major order to `out`, which must
/// have room for count · width bytes. `width` is the size of an element in bytes: 1, 2, 4 or 8.
/// Reads the storage in pieces of at most 4 MiB, across gaps if that is cheaper than a separate
/// call. The range must lie within the tensor, and the tensor's size must fit in 64 bits.
void gather(const StridedLayout& layout, std::uint64_t first, std::uint64_t count,
            std::size_t width, const StorageReader& read, std::byte* out);

}  // namespace expo
