#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "expo/core/dtype.h"
#include "expo/model/decoder.h"

namespace expo {

/// The weights of a decoder in whatever layout it computes with, under the names that they have in
/// a Hugging Face checkpoint.
class WeightStore {
 public:
  struct Entry {
    std::string name;
    std::vector<std::uint64_t> shape;  ///< [out, in] or [size]
  };
  virtual ~WeightStore() = default;

  DType dtype() const { return dtype_; }
  const std::vector<Entry>& entries() const { return entries_; }
  /// Sets the elements from `first` on to `values`, row-major of dtype(); of a matrix both begin
  /// and end with a row. Threads may write different rows at once.
  virtual void write(std::size_t entry, std::uint64_t first, std::span<const std::byte> values) = 0;
  /// All elements, row-major of dtype(): bit for bit what was written.
  virtual std::vector<std::byte> read(std::size_t entry) const = 0;
  virtual std::uint64_t bytes() const = 0;  ///< of memory
  /// The forward pass over these weights, on `threads` threads (0: as many as there are
  /// processors). Architecture and store must outlive it.
  virtual std::unique_ptr<Decoder> make_decoder(const Architecture& architecture,
                                                unsigned threads) const = 0;

 protected:
  explicit WeightStore(DType dtype) : dtype_(dtype) {}
  std::vector<Entry> entries_;

 private:
  DType dtype_;
};

}  // namespace expo
