// The functions of rows that training has of its own, and their gradients, against PyTorch's
// operators in float64.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "expo/training/ops/gate_function.h"
#include "expo/training/ops/linear_weight.h"
#include "expo/training/ops/norm_function.h"
#include "expo/training/ops/rotation_function.h"
#include "expo/training/ops/row_attention.h"

namespace expo {
namespace {

constexpr std::uint64_t kSeed = 20241128;
constexpr double kTolerance = 2e-6;  // of the whole tensor's norm

using Function = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

double error(const at::Tensor& found, const at::Tensor& expected) {
  return ((found.to(at::kDouble) - expected).norm() / expected.norm()).item<double>();
}

std::vector<at::Tensor> leaves(const std::vector<at::Tensor>& values, at::ScalarType type) {
  std::vector<at::Tensor> result;
  for (const at::Tensor& value : values)
    result.push_back(value.detach().to(type).clone().set_requires_grad(true));
  return result;
}

/// Both functions of the same inputs: their results, and the gradients of a weighted sum.
void compare(const std::vector<at::Tensor>& inputs, const Function& ours, const Function& exact) {
  const auto single = leaves(inputs, at::kFloat), wide = leaves(inputs, at::kDouble);
  const at::Tensor found = ours(single), expected = exact(wide);
  ASSERT_EQ(found.sizes(), expected.sizes());
  EXPECT_LT(error(found.detach(), expected.detach()), kTolerance);
  const at::Tensor change = at::randn(found.sizes());
  found.backward(change);
  expected.backward(change.to(at::kDouble));
  for (std::size_t i = 0; i < inputs.size(); ++i)
    EXPECT_LT(error(single[i].grad(), wide[i].grad()), kTolerance) << "input " << i;
}

class RowFunctions : public testing::Test {
 protected:
  RowFunctions() {
    RecordProperty("seed", static_cast<int>(kSeed));
    at::manual_seed(kSeed);
  }
};

TEST_F(RowFunctions, NormsRows) {
  for (const std::int64_t width : {24, 576}) {
    for (const double added : {0.0, 1.0}) {
      const auto exact = [&](const auto& in) {
        const at::Tensor mean = in[0].square().mean(at::IntArrayRef{-1}, true);
        return in[0] * (mean + 1e-5).rsqrt() * (in[1] + added);
      };
      const auto ours = [&](const auto& in) { return rms_norm(in[0], in[1], added, 1e-5); };
      compare({at::randn({101, width}) * 3, at::randn({width})}, ours, exact);
      compare({at::randn({7, 5, width}), at::randn({width})}, ours, exact);
    }
  }
}

TEST_F(RowFunctions, NormsRowsThatLieApart) {
  const auto part = [](const at::Tensor& x) { return x.narrow(1, 16, 48).reshape({33, 3, 16}); };
  compare(
      {at::randn({33, 80}), at::randn({16})},
      [&](const auto& in) { return rms_norm(part(in[0]), in[1], 0, 1e-6); },
      [&](const auto& in) {
        const at::Tensor x = part(in[0]);
        return x * (x.square().mean(at::IntArrayRef{-1}, true) + 1e-6).rsqrt() * in[1];
      });
}

TEST_F(RowFunctions, GoesBackThroughAFrozenNormAlike) {
  const at::Tensor weight = at::randn({32}).to(at::kBFloat16).to(at::kFloat);
  const at::Tensor values = at::randn({9, 32}), change = at::randn({9, 32});
  const auto gradient = [&](const at::Tensor& factor) {
    const at::Tensor x = values.clone().set_requires_grad(true);
    rms_norm(x, factor, 0, 1e-6).backward(change);
    return x.grad();
  };
  const at::Tensor trained = gradient(weight.clone().set_requires_grad(true));
  EXPECT_TRUE(at::equal(gradient(weight.to(at::kBFloat16)), trained));
}

/// Rows enough for several threads.
TEST_F(RowFunctions, GivesTheSameBitsWithAnyNumberOfThreads) {
  constexpr std::int64_t kRows = 700, kWidth = 96, kDim = 16;
  RotaryEmbedding rotary(RopeSpec{}, kDim, at::TensorOptions(at::kFloat));
  rotary.prepare(at::arange(kRows, at::kLong), kRows);
  const at::Tensor weight = at::ones({kWidth}).set_requires_grad(true);
  LinearWeight matrix{at::randn({8, kWidth}), at::empty({8, 2 * kWidth}, at::kBFloat16), {}};
  split_values(matrix.value, matrix.pair);
  const std::vector<std::function<at::Tensor(const at::Tensor&)>> functions = {
      [&](const at::Tensor& x) { return rms_norm(x, weight, 0, 1e-6); },
      [&](const at::Tensor& x) { return gated(x, Activation::silu); },
      [&](const at::Tensor& x) { return rotated(x, 4, kDim, rotary); },
      [&](const at::Tensor& x) { return linear(x, matrix); }};
  const at::Tensor values = at::randn({kRows, kWidth});
  const int before = at::get_num_threads();
  const auto run = [&](const auto& function, int threads) {
    at::set_num_threads(threads);
    weight.mutable_grad() = at::Tensor();
    const at::Tensor x = values.clone().set_requires_grad(true), result = function(x);
    result.backward(at::sin(at::arange(result.numel(), at::kFloat)).view(result.sizes()));
    return std::vector{result.detach(), x.grad(), weight.grad().defined() ? weight.grad() : x};
  };
  for (const auto& function : functions) {
    const auto one = run(function, 1), three = run(function, 3);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(at::equal(one[i], three[i]));
  }
  at::set_num_threads(before);
}

TEST_F(RowFunctions, RefusesWhatDoesNotFit) {
  RotaryEmbedding rotary(RopeSpec{}, 16, at::TensorOptions(at::kFloat));
  rotary.prepare(at::arange(3, at::kLong), 3);
  EXPECT_THROW(rms_norm(at::ones({4, 64}), at::ones({32}), 0, 1e-6), c10::Error);
  EXPECT_THROW(gated(at::ones({4, 7}), Activation::silu), c10::Error);
  EXPECT_THROW(rotated(at::ones({4, 32}), 2, 16, rotary), c10::Error);
  Architecture architecture;
  architecture.heads = architecture.kv_heads = 1;
  architecture.head_dim = 16;
  EXPECT_THROW(row_attention(at::ones({3, 48}), {3, 0}, architecture, {}), c10::Error);
}

TEST_F(RowFunctions, Gates) {
  for (const Activation activation : {Activation::silu, Activation::gelu, Activation::gelu_tanh}) {
    compare(
        {at::randn({65, 2 * 90}) * 2}, [&](const auto& in) { return gated(in[0], activation); },
        [&](const auto& in) {
          const at::Tensor x = in[0].narrow(1, 0, 90), y = in[0].narrow(1, 90, 90);
          if (activation == Activation::silu) return x / (1 + (-x).exp()) * y;
          if (activation == Activation::gelu) return 0.5 * x * (1 + (x / std::sqrt(2.0)).erf()) * y;
          const at::Tensor inner = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
          return 0.5 * x * (1 + inner.tanh()) * y;
        });
  }
}

TEST_F(RowFunctions, TurnsTheFirstHeads) {
  constexpr std::int64_t kTokens = 41, kHeads = 3, kDim = 16;
  RotaryEmbedding rotary(RopeSpec{}, kDim, at::TensorOptions(at::kFloat));
  rotary.prepare(at::randint(0, 500, {kTokens}, at::kLong), 500);
  const at::Tensor cosine = rotary.cosine().to(at::kDouble), sine = rotary.sine().to(at::kDouble);
  compare(
      {at::randn({kTokens, 5 * kDim})},
      [&](const auto& in) { return rotated(in[0], kHeads, kDim, rotary); },
      [&](const auto& in) {
        const at::Tensor x = in[0].view({kTokens, 5, kDim});
        const at::Tensor first = x.narrow(1, 0, kHeads);
        const at::Tensor a = first.narrow(2, 0, kDim / 2), b = first.narrow(2, kDim / 2, kDim / 2);
        const at::Tensor turned = first * cosine + at::cat({-b, a}, 2) * sine;
        return at::cat({turned, x.narrow(1, kHeads, 2)}, 1).view({kTokens, 5 * kDim});
      });
}

/// Every product at once, and what a query does not see set to −∞.
at::Tensor exact_attention(const at::Tensor& qkv, const std::vector<std::int64_t>& lengths,
                           const Architecture& architecture, std::int64_t window) {
  const std::int64_t tokens = qkv.size(0), keys = architecture.kv_heads;
  const at::Tensor x = qkv.view({tokens, -1, architecture.head_dim}).transpose(0, 1);
  const std::int64_t group = architecture.heads / keys;
  const at::Tensor q = x.narrow(0, 0, architecture.heads);
  const at::Tensor k = x.narrow(0, architecture.heads, keys).repeat_interleave(group, 0);
  const at::Tensor v = x.narrow(0, architecture.heads + keys, keys).repeat_interleave(group, 0);
  at::Tensor scores = at::matmul(q, k.transpose(1, 2)) * architecture.attention_scale;
  const double cap = architecture.attention_softcap;
  if (cap > 0) scores = (scores / cap).tanh() * cap;
  at::Tensor hidden = at::ones({tokens, tokens}, at::kBool);
  std::int64_t first = 0;
  for (const std::int64_t length : lengths) {
    for (std::int64_t i = first; i < first + length; ++i) {
      const std::int64_t from = window > 0 ? std::max(first, i - window + 1) : first;
      hidden[i].narrow(0, from, i + 1 - from).fill_(false);
    }
    first += length;
  }
  const at::Tensor seen = scores.masked_fill(hidden, -std::numeric_limits<double>::infinity());
  return at::matmul(seen.softmax(-1), v).transpose(0, 1).reshape({tokens, -1});
}

TEST_F(RowFunctions, AttendsWithinEachRow) {
  const std::vector<std::int64_t> lengths = {1, 40, 7, 65};
  for (const std::int64_t kv_heads : {6, 2, 1}) {
    for (const std::int64_t window : {0, 100, 16}) {
      for (const double cap : {0.0, 2.0}) {
        Architecture architecture;
        architecture.heads = 6;
        architecture.kv_heads = kv_heads;
        architecture.head_dim = 16;
        architecture.attention_scale = 0.3;
        architecture.attention_softcap = cap;
        const LayerSpec layer{true, window};
        compare(
            {at::randn({113, (6 + 2 * kv_heads) * 16})},
            [&](const auto& in) { return row_attention(in[0], lengths, architecture, layer); },
            [&](const auto& in) { return exact_attention(in[0], lengths, architecture, window); });
      }
    }
  }
}

}  // namespace
}  // namespace expo
