#pragma once

#include <cstddef>

namespace expo {

/// Memory straight from the system: zeros that occupy no memory until they are touched, aligned to
/// 4096 bytes, in huge pages if the system has them. Movable.
class ZeroedMemory {
 public:
  ZeroedMemory() = default;
  /// Throws Error(environment) if the address space has no room for it. Whether the machine has the
  /// memory shows only when it is touched.
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
