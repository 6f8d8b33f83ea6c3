// The device that the other tests use in place of a GPU must fail where a GPU fails.
#include "tests/model/simulated_device.h"

#include <gtest/gtest.h>

namespace expo {
namespace {

at::TensorOptions there() {
  return at::TensorOptions(simulated::device()).dtype(at::kFloat);
}

TEST(SimulatedDevice, ComputesAndGivesItsResultsBack) {
  const at::Tensor a = at::arange(6, there()).view({2, 3});
  const at::Tensor b = at::ones({3, 4}, at::kFloat).to(simulated::device());
  const at::Tensor c = at::mm(a, b).add_(1).narrow(1, 1, 2);
  EXPECT_EQ(c.device(), simulated::device());
  EXPECT_TRUE(c.to(at::kCPU).equal(at::tensor({4.0F, 4.0F, 13.0F, 13.0F}).view({2, 2})));
  EXPECT_EQ(c.sum().item<float>(), 34);
}

TEST(SimulatedDevice, RefusesTensorsOfTwoDevices) {
  const at::Tensor a = at::ones({2}, there());
  EXPECT_THROW(a + at::ones({2}), c10::Error);
  EXPECT_THROW(a.index_select(0, at::tensor({0, 1}, at::kLong)), c10::Error);
  EXPECT_NO_THROW(a + at::scalar_tensor(1.0, at::kFloat));
}

TEST(SimulatedDeviceDeathTest, IsNoMemoryOfTheProgram) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const at::Tensor a = at::ones({2}, there());
  EXPECT_DEATH(*static_cast<volatile float*>(a.mutable_data_ptr()) = 1, "");
}

}  // namespace
}  // namespace expo
