#include "expo/checkpoint/checkpoint.h"

#include <gtest/gtest.h>

#include "expo/core/error.h"

namespace expo {
namespace {

/// Tensors t0, t1, … of the given sizes, without values.
class Sizes final : public Checkpoint {
 public:
  explicit Sizes(const std::vector<std::uint64_t>& sizes) {
    for (const std::uint64_t size : sizes) {
      Tensor tensor;
      tensor.name = "t" + std::to_string(tensors_.size());
      tensor.shape = {size};
      tensors_.push_back(tensor);
    }
    index_tensors();
  }
  std::span<const std::byte> read(std::size_t, std::uint64_t, std::uint64_t,
                                  ReadScratch&) const override {
    return {};
  }
};

TEST(Checkpoint, RefusesSoManyElementsThatSumsWrapAround) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 58;
  EXPECT_EQ(Sizes({kMost - 1, 1, 0}).tensors().size(), 3u);
  for (const auto& sizes : {std::vector{kMost + 1}, std::vector{kMost, std::uint64_t{1}},
                            std::vector{std::uint64_t{1}, UINT64_MAX}}) {
    EXPECT_THROW(Sizes{sizes}, Error);
  }
}

}  // namespace
}  // namespace expo
