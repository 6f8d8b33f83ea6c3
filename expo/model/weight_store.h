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

/// The weights of a decoder in the layout that its forward pass uses, under the names that they
/// have in a Hugging Face checkpoint.
class WeightStore {
 public:
  /// One tensor of the store.
  struct Entry {
    std::string name;
    std::vector<std::uint64_t> shape;  ///< [out, in] or [size]
  };
  virtual ~WeightStore() = default;

  DType dtype() const { return dtype_; }
  const std::vector<Entry>& entries() const { return entries_; }
  /// Sets the elements from `first` on to `values`, row-major in dtype(); for a matrix the range
  /// must consist of whole rows. Several threads may write different rows at once.
  virtual void write(std::size_t entry, std::uint64_t first, std::span<const std::byte> values) = 0;
  /// All elements, row-major in dtype(), bit for bit as they were written.
  virtual std::vector<std::byte> read(std::size_t entry) const = 0;
  virtual std::uint64_t bytes() const = 0;  ///< memory that the weights occupy
  /// Makes the forward pass over these weights, on `threads` threads (0: one for each processor).
  /// The architecture and the store must outlive it.
  virtual std::unique_ptr<Decoder> make_decoder(const Architecture& architecture,
                                                unsigned threads) const = 0;

 protected:
  explicit WeightStore(DType dtype) : dtype_(dtype) {}
  std::vector<Entry> entries_;

 private:
  DType dtype_;
};

}  // namespace expo
