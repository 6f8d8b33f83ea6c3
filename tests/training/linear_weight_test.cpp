// Products in bfloat16 against float64.

#include "expo/training/ops/linear_weight.h"

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "expo/training/ops/bf16_product.h"

namespace expo {
namespace {

constexpr std::uint64_t kSeed = 20241125;

at::Tensor draw(std::int64_t rows, std::int64_t columns) {
  return at::randn({rows, columns});
}

double error(const at::Tensor& found, const at::Tensor& expected) {
  return ((found.to(at::kDouble) - expected).norm() / expected.norm()).item<double>();
}

struct Case {
  Case() {
    at::manual_seed(kSeed);
    x = draw(37, 80);
    x.set_requires_grad(true);
    weight.value = draw(29, 80);
    weight.pair = at::zeros({29, 160}, at::kBFloat16);
    split_values(weight.value, weight.pair);
    weight.gradient = at::ones({29, 80});
    change = draw(37, 29);
  }
  at::Tensor product() const {
    return at::linear(x.detach().to(at::kDouble), weight.value.to(at::kDouble));
  }

  at::Tensor x, change;
  LinearWeight weight;
};

TEST(LinearWeight, KeepsInBfloat16WhatASixteenBitNumberKeeps) {
  const Case one;
  EXPECT_LT(error(linear(one.x, one.weight), one.product()), 0x1p-15);
}

TEST(LinearWeight, ShowsAChangeBelowBfloat16sSpacing) {
  Case one;
  const at::Tensor before = linear(one.x, one.weight).detach();
  const at::Tensor step = draw(29, 80).sign() * one.weight.value * 1e-4;
  one.weight.value = one.weight.value + step;
  split_values(one.weight.value, one.weight.pair);
  const at::Tensor moved = linear(one.x, one.weight).detach() - before;
  const at::Tensor expected = at::linear(one.x.detach().to(at::kDouble), step.to(at::kDouble));
  EXPECT_LT(error(moved, expected), 0.1);
}

TEST(LinearWeight, AddsItsGradientWhereItBelongs) {
  for (const bool narrow : {true, false}) {
    Case one;
    if (!narrow) one.weight.pair = at::Tensor();
    linear(one.x, one.weight).backward(one.change);
    const double tolerance = narrow ? 0x1p-7 : 1e-6;
    const at::Tensor change = one.change.to(at::kDouble);
    EXPECT_LT(error(one.x.grad(), at::mm(change, one.weight.value.to(at::kDouble))), tolerance);
    const at::Tensor expected = at::mm(change.t(), one.x.detach().to(at::kDouble)) + 1;
    EXPECT_LT(error(one.weight.gradient, expected), tolerance);
  }
}

/// LoRA's base: one bfloat16 number a weight, which loses nothing of what it is.
TEST(LinearWeight, TakesAFrozenWeightAsItIs) {
  Case one;
  one.weight = {one.weight.value.to(at::kBFloat16), {}, {}};
  const at::Tensor result = linear(one.x, one.weight);
  EXPECT_LT(error(result.detach(), one.product()), 0x1p-15);
  result.backward(one.change);
  EXPECT_LT(
      error(one.x.grad(), at::mm(one.change.to(at::kDouble), one.weight.value.to(at::kDouble))),
      0x1p-7);
}

TEST(Bf16Product, TakesTransposedAndStridedMatrices) {
  at::manual_seed(kSeed);
  const at::Tensor wide = draw(40, 96).to(at::kBFloat16);
  const at::Tensor a = wide.narrow(1, 16, 48);
  const at::Tensor b = draw(40, 33).to(at::kBFloat16);
  const at::Tensor c = draw(48, 33);
  const at::Tensor expected = at::mm(a.to(at::kDouble).t(), b.to(at::kDouble)) + 2 * c;
  bf16_product(a, Transposed::yes, b, Transposed::no, 2, c);
  EXPECT_LT(error(c, expected), 1e-6);
  const at::Tensor d = at::zeros({40, 40});
  bf16_product(a, Transposed::no, a, Transposed::yes, 0, d);
  EXPECT_LT(error(d, at::mm(a.to(at::kDouble), a.to(at::kDouble).t())), 1e-6);
}

}  // namespace
}  // namespace expo
