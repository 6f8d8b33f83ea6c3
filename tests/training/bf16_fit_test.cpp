#include "expo/training/model/bf16_fit.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "expo/training/run/served_step.h"

namespace expo {
namespace {

// bfloat16 has seven bits after the point.
const std::vector<double> kValues = {0,          1,           -1.5,
                                     1 + 0x1p-7,                            // numbers of bfloat16
                                     1 + 0x1p-8, -1 - 0x3p-8, 0x1.01p-100,  // half-way between two
                                     1 + 0x1p-9, 3 + 0x1p-9};  // between, and nearer to one

void expect_fit(const at::Tensor& values, std::uint64_t between, std::uint64_t ties) {
  const Bf16Fit fit = measure_bf16_fit(values);
  EXPECT_EQ(fit.values, static_cast<std::uint64_t>(values.numel()));
  EXPECT_EQ(fit.between, between) << values.scalar_type();
  EXPECT_EQ(fit.ties, ties) << values.scalar_type();
}

TEST(Bf16Fit, CountsWhatLiesBetweenAndHalfWay) {
  const at::Tensor values = at::tensor(kValues, at::kDouble);
  expect_fit(values.to(at::kFloat), 5, 3);
  expect_fit(values, 5, 3);
  expect_fit(values.to(at::kBFloat16), 0, 0);
  // float16 has ten bits after the point, and none of 2^-100, which becomes 0.
  expect_fit(values.to(at::kHalf), 4, 2);
}

TEST(Bf16Fit, AddsUp) {
  Bf16Fit fit{10, 3, 1};
  fit += {5, 2, 2};
  EXPECT_EQ(fit.values, 15U);
  EXPECT_EQ(fit.between, 5U);
  EXPECT_EQ(fit.ties, 3U);
}

TEST(StartWarning, IsAboutTiesAlone) {
  TrainingConfig config = default_config(TrainingMethod::dpo);
  config.model_name_or_path = "start";
  const Bf16Fit ordinary_float32{1'000'000, 990'000, 15};
  EXPECT_EQ(start_warning(ordinary_float32, config), "");
  const std::string warning = start_warning({1'000'000, 990'000, 80'000}, config);
  EXPECT_NE(warning.find("8.0 % exactly half-way"), std::string::npos) << warning;
  config.save_dtype = DType::f16;
  EXPECT_EQ(start_warning({1'000'000, 990'000, 80'000}, config), "");
}

}  // namespace
}  // namespace expo
