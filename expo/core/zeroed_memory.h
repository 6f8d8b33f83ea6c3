#pragma once

#include <cstddef>

namespace expo {

/// Memory straight from the system: zeros that take no room until they are touched, at a multiple
/// of 4096 bytes, in huge pages where the system has them. Movable.
class ZeroedMemory {
 public:
  ZeroedMemory() = default;
  /// Throws Error(environment) where there is no room for it in the address space. Whether the
  /// machine has the memory shows when it is touched.
  explicit ZeroedMemory(std::size_t size);
  ~ZeroedMemory();
  ZeroedMemory(ZeroedMemory&& other) noexcept;
  ZeroedMemory& operator=(ZeroedMemory&& other) noexcept;
  ZeroedMemory(const ZeroedMemory&) = delete;
  ZeroedMemory& operator=(const ZeroedMemory&) = delete;

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace expo
