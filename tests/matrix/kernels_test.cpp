// Compares every instruction set of this processor with float64.
#include "expo/matrix/kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

#include "expo/core/float_formats.h"
#include "expo/matrix/panel_layout.h"

namespace expo {
namespace {

constexpr unsigned kSeed = 20261124;

std::uint16_t to_bf16(float value) {
  return double_to_bf16(static_cast<double>(value));
}
float to_float(std::uint16_t bits) {
  return static_cast<float>(bf16_to_double(bits));
}

std::vector<float> random_values(std::size_t count, std::mt19937& random, float scale = 1) {
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

class EachKernels : public testing::TestWithParam<const Kernels*> {
 protected:
  EachKernels() { RecordProperty("seed", static_cast<int>(kSeed)); }
  const Kernels& set() const { return *GetParam(); }
  std::mt19937 random_{kSeed};
};

/// A · Bᵀ through panels, where `Element` (of B) and `Left` (of A) are float or the bits of
/// bfloat16.
template <typename Element, typename Left>
struct Case {
  static constexpr DType kType = sizeof(Element) == 4 ? DType::f32 : DType::bf16;
  Case(std::int64_t m, std::int64_t n, std::int64_t k, std::mt19937& random)
      : rows(m),
        layout(n, k, kType),
        a(static_cast<std::size_t>(m * layout.padded_columns())),
        b(static_cast<std::size_t>(n * k)),
        panels(layout.bytes()),
        initial(random_values(static_cast<std::size_t>(m * width()), random)) {
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < k; ++j)
        a[static_cast<std::size_t>(i * layout.padded_columns() + j)] = draw<Left>(random);
    }
    for (Element& value : b) value = draw<Element>(random);
    layout.pack(0, n, reinterpret_cast<const std::byte*>(b.data()), panels.data());
  }
  std::int64_t width() const { return layout.panels() * kPanelRows; }
  template <typename Value>
  static Value draw(std::mt19937& random) {
    const float value = random_values(1, random)[0];
    if constexpr (sizeof(Value) == 4)
      return value;
    else
      return to_bf16(value);
  }
  template <typename Value>
  static double wide(Value value) {
    if constexpr (sizeof(Value) == 4)
      return value;
    else
      return bf16_to_double(value);
  }
  std::vector<float> multiply(void (*function)(const Product&), std::int64_t first,
                              std::int64_t count, bool add) const {
    std::vector<float> c = initial;
    Product product;
    product.a = a.data() + first * layout.padded_columns();
    product.a_stride = layout.padded_columns();
    product.rows = count;
    product.panels = panels.data();
    product.panel_stride = layout.panel_bytes();
    product.panel_count = layout.panels();
    product.padded_columns = layout.padded_columns();
    product.c = c.data() + first * width();
    product.c_stride = width();
    product.add = add;
    function(product);
    return c;
  }
  void check(const std::vector<float>& c, bool add) const {
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < layout.rows(); ++j) {
        const auto at = static_cast<std::size_t>(i * width() + j);
        double expected = add ? initial[at] : 0, size = std::abs(expected);
        for (std::int64_t k = 0; k < layout.columns(); ++k) {
          const double term = wide(a[static_cast<std::size_t>(i * layout.padded_columns() + k)]) *
                              wide(b[static_cast<std::size_t>(j * layout.columns() + k)]);
          expected += term;
          size += std::abs(term);
        }
        ASSERT_NEAR(c[at], expected, 1e-6 * size) << rows << " rows, element " << i << ", " << j;
      }
    }
  }
  std::int64_t rows;
  PanelLayout layout;
  std::vector<Left> a;
  std::vector<Element> b;
  std::vector<std::byte> panels;
  std::vector<float> initial;
};

template <typename Element, typename Left>
void check_products(void (*function)(const Product&), std::mt19937& random) {
  for (const std::int64_t rows : {1, 2, 3, 4, 5, 6, 13, 16, 17, 32, 33, 50}) {
    for (const auto& [n, k] : {std::pair{16, 32}, {70, 96}, {33, 47}, {100, 64}}) {
      const Case<Element, Left> one(rows, n, k, random);
      for (const bool add : {false, true}) one.check(one.multiply(function, 0, rows, add), add);
    }
  }
}

TEST_P(EachKernels, MultipliesAsFloat64Does) {
  check_products<float, float>(set().multiply_f32, random_);
  if (set().left_of_bf16 == DType::bf16) {
    check_products<std::uint16_t, std::uint16_t>(set().multiply_bf16, random_);
  } else {
    check_products<std::uint16_t, float>(set().multiply_bf16, random_);
  }
}

template <typename Element, typename Left>
void check_alone(void (*function)(const Product&), std::mt19937& random) {
  const Case<Element, Left> one(50, 77, 96, random);
  for (const bool add : {false, true}) {
    const auto together = one.multiply(function, 0, 50, add);
    for (const std::int64_t count : {1, 3, 16, 17}) {
      for (std::int64_t first = 0; first + count <= 50; first += count) {
        const auto apart = one.multiply(function, first, count, add);
        for (std::int64_t i = first * one.width(); i < (first + count) * one.width(); ++i)
          ASSERT_EQ(std::bit_cast<std::uint32_t>(apart[static_cast<std::size_t>(i)]),
                    std::bit_cast<std::uint32_t>(together[static_cast<std::size_t>(i)]));
      }
    }
  }
}

TEST_P(EachKernels, GivesARowTheSameBitsWhateverStandsBesideIt) {
  check_alone<float, float>(set().multiply_f32, random_);
  if (set().left_of_bf16 == DType::bf16) {
    check_alone<std::uint16_t, std::uint16_t>(set().multiply_bf16, random_);
  } else {
    check_alone<std::uint16_t, float>(set().multiply_bf16, random_);
  }
}

TEST_P(EachKernels, NormsRows) {
  for (const std::int64_t count : {16, 40, 577}) {
    const auto x = random_values(static_cast<std::size_t>(count), random_);
    const auto weight = random_values(static_cast<std::size_t>(count), random_);
    std::vector<float> out(x.size());
    std::vector<std::uint16_t> half(x.size());
    set().norm_f32(x.data(), count, weight.data(), 1, 1e-5F, out.data());
    set().norm_bf16(x.data(), count, weight.data(), 1, 1e-5F, half.data());
    double squares = 0;
    for (const float value : x) squares += double{value} * double{value};
    const double scale = 1 / std::sqrt(squares / static_cast<double>(count) + 1e-5);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double expected = x[i] * scale * (1 + double{weight[i]});
      EXPECT_NEAR(out[i], expected, 1e-5);
      EXPECT_EQ(half[i], to_bf16(out[i]));
    }
  }
}

/// The derivative of Σ change · f with respect to `value`, by central differences of f in float64.
template <typename F>
double slope(double value, const F& f) {
  constexpr double kStep = 1e-5;
  return (f(value + kStep) - f(value - kStep)) / (2 * kStep);
}

TEST_P(EachKernels, GoesBackThroughANorm) {
  for (const std::int64_t count : {16, 40, 77}) {
    const auto size = static_cast<std::size_t>(count);
    const auto x = random_values(size, random_, 3), weight = random_values(size, random_);
    const auto change = random_values(size, random_);
    std::vector<float> x_change(size), weight_change(size, 2), alone(size);
    set().norm_backward(x.data(), change.data(), count, weight.data(), 1, 1e-5F, x_change.data(),
                        weight_change.data());
    set().norm_backward(x.data(), change.data(), count, weight.data(), 1, 1e-5F, alone.data(),
                        nullptr);
    EXPECT_EQ(alone, x_change);
    const std::vector<double> wide(x.begin(), x.end()), factors(weight.begin(), weight.end());
    const auto loss = [&](const std::vector<double>& values, const std::vector<double>& scales) {
      double squares = 0, sum = 0;
      for (const double value : values) squares += value * value;
      for (std::size_t i = 0; i < size; ++i) sum += change[i] * values[i] * (1 + scales[i]);
      return sum / std::sqrt(squares / static_cast<double>(count) + 1e-5);
    };
    for (std::size_t i = 0; i < size; ++i) {
      auto values = wide, scales = factors;
      const double by_x =
          slope(wide[i], [&](double at) { return values[i] = at, loss(values, factors); });
      const double by_weight =
          slope(factors[i], [&](double at) { return scales[i] = at, loss(wide, scales); });
      EXPECT_NEAR(x_change[i], by_x, 1e-5);
      EXPECT_NEAR(weight_change[i] - 2, by_weight, 2e-5);
    }
  }
}

TEST_P(EachKernels, RotatesHalves) {
  for (const std::int64_t half : {4, 16, 40}) {
    auto x = random_values(static_cast<std::size_t>(2 * half), random_);
    const auto before = x;
    std::vector<float> cosine, sine;
    for (std::int64_t i = 0; i < half; ++i) {
      cosine.push_back(std::cos(0.1F * static_cast<float>(i)));
      sine.push_back(std::sin(0.1F * static_cast<float>(i)));
    }
    set().rotate(x.data(), cosine.data(), sine.data(), half);
    for (std::size_t i = 0; i < cosine.size(); ++i) {
      const std::size_t j = i + cosine.size();
      EXPECT_NEAR(x[i], before[i] * cosine[i] - before[j] * sine[i], 1e-5);
      EXPECT_NEAR(x[j], before[j] * cosine[i] + before[i] * sine[i], 1e-5);
    }
  }
}

TEST_P(EachKernels, TakesTheSoftmaxOfAWindow) {
  for (const float cap : {0.0F, 5.0F}) {
    for (const auto& [first, last] : {std::pair{0, 1}, {0, 64}, {0, 37}, {19, 50}, {32, 33}}) {
      const auto scores = random_values(64, random_, 30);
      auto x = scores;
      std::vector<float> out(64, 7);
      set().softmax_f32(x.data(), first, last, 64, 0.3F, cap, out.data());
      std::vector<double> expected(64, 0);
      double total = 0, top = -1e9;
      const auto value = [&](int i) {
        const double scaled = 0.3F * double{scores[static_cast<std::size_t>(i)]};
        return cap == 0 ? scaled : cap * std::tanh(scaled / cap);
      };
      for (int i = first; i < last; ++i) top = std::max(top, value(i));
      for (int i = first; i < last; ++i)
        total += expected[static_cast<std::size_t>(i)] = std::exp(value(i) - top);
      for (std::size_t i = 0; i < 64; ++i) EXPECT_NEAR(out[i], expected[i] / total, 2e-6) << i;
    }
  }
}

TEST_P(EachKernels, GivesTheSoftmaxOfAPrefixTheSameBitsAtAnyLength) {
  const auto scores = random_values(256, random_, 5);
  auto x = scores, y = scores;
  std::vector<std::uint16_t> shorter(64), longer(256);
  set().softmax_bf16(x.data(), 3, 50, 64, 1, 0, shorter.data());
  set().softmax_bf16(y.data(), 3, 50, 256, 1, 0, longer.data());
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(shorter[i], longer[i]);
  for (std::size_t i = 64; i < 256; ++i) EXPECT_EQ(longer[i], 0);
}

TEST_P(EachKernels, KeepsANaNInASoftmax) {
  std::vector<float> x(32, 1.0F), out(32);
  x[7] = std::nanf("");
  set().softmax_f32(x.data(), 0, 32, 32, 1, 0, out.data());
  EXPECT_TRUE(std::isnan(out[0]));
}

double gate(Gate kind, double x) {
  switch (kind) {
    case Gate::silu:
      return x / (1 + std::exp(-x));
    case Gate::gelu:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Gate::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  }
  return 0;
}

TEST_P(EachKernels, Gates) {
  for (const Gate kind : {Gate::silu, Gate::gelu, Gate::gelu_tanh}) {
    const auto x = random_values(50, random_, 4), y = random_values(50, random_);
    std::vector<float> out(50);
    std::vector<std::uint16_t> half(50);
    set().gate_f32(kind, x.data(), y.data(), 50, out.data());
    set().gate_bf16(kind, x.data(), y.data(), 50, half.data());
    for (std::size_t i = 0; i < 50; ++i) {
      EXPECT_NEAR(out[i], gate(kind, x[i]) * y[i], 3e-6);
      EXPECT_EQ(half[i], to_bf16(out[i]));
    }
  }
}

TEST_P(EachKernels, GoesBackThroughAGate) {
  for (const Gate kind : {Gate::silu, Gate::gelu, Gate::gelu_tanh}) {
    auto x = random_values(50, random_, 4);
    x[7] = 60;
    x[8] = -60;
    const auto y = random_values(50, random_), change = random_values(50, random_);
    std::vector<float> x_change(50), y_change(50);
    set().gate_backward(kind, x.data(), y.data(), change.data(), 50, x_change.data(),
                        y_change.data());
    for (std::size_t i = 0; i < 50; ++i) {
      const double by_x = slope(x[i], [&](double at) { return gate(kind, at); });
      EXPECT_NEAR(x_change[i], by_x * double{y[i]} * double{change[i]}, 5e-6) << x[i];
      EXPECT_NEAR(y_change[i], gate(kind, x[i]) * double{change[i]}, 1e-5) << x[i];
    }
  }
}

TEST_P(EachKernels, KeepsANaNInWhatTrainingTakes) {
  const std::vector<float> odd(16, std::nanf("")), one(16, 1.0F), half(8, 0.5F);
  std::vector<float> out(16), other(16);
  const auto expect = [](float value) { EXPECT_TRUE(std::isnan(value)); };
  set().norm_f32(odd.data(), 16, one.data(), 0, 1e-6F, out.data());
  expect(out[3]);
  for (const auto& [x, change] : {std::pair{odd, one}, {one, odd}}) {
    set().norm_backward(x.data(), change.data(), 16, one.data(), 0, 1e-6F, out.data(), nullptr);
    expect(out[3]);
    for (const Gate kind : {Gate::silu, Gate::gelu, Gate::gelu_tanh}) {
      set().gate_backward(kind, x.data(), one.data(), change.data(), 16, out.data(), other.data());
      expect(out[3]);
      expect(other[3]);
    }
  }
  for (const Gate kind : {Gate::silu, Gate::gelu, Gate::gelu_tanh}) {
    set().gate_f32(kind, odd.data(), one.data(), 16, out.data());
    expect(out[3]);
  }
  out = odd;
  set().rotate(out.data(), half.data(), half.data(), 8);
  expect(out[3]);
  std::vector<std::uint16_t> high(16), low(16);
  set().split_bf16(odd.data(), 16, high.data(), low.data());
  expect(to_float(high[3]));
}

TEST_P(EachKernels, CapsSoftly) {
  auto x = random_values(37, random_, 60);
  const auto before = x;
  set().soft_cap(x.data(), 37, 30);
  for (std::size_t i = 0; i < 37; ++i) EXPECT_NEAR(x[i], 30 * std::tanh(before[i] / 30.0), 1e-5);
}

TEST_P(EachKernels, RoundsToNearestAndKeepsNaN) {
  std::vector<float> x = random_values(100, random_, 1e3F);
  x[3] = std::bit_cast<float>(0x7FFFFFFFU);
  x[4] = INFINITY;
  x[5] = 1.00390625F;  // halfway between two bfloat16 values
  std::vector<std::uint16_t> out(100);
  set().round_bf16(x.data(), 100, out.data());
  EXPECT_TRUE(std::isnan(to_float(out[3])));
  for (std::size_t i = 0; i < 100; ++i) {
    if (i == 3) continue;
    EXPECT_EQ(out[i], to_bf16(x[i]));
  }
}

TEST_P(EachKernels, SplitsIntoWhatRoundingKeepsAndLeaves) {
  const auto x = random_values(77, random_, 1e3F);
  std::vector<std::uint16_t> high(77), low(77);
  set().split_bf16(x.data(), 77, high.data(), low.data());
  for (std::size_t i = 0; i < 77; ++i) {
    EXPECT_EQ(high[i], to_bf16(x[i]));
    EXPECT_EQ(low[i], to_bf16(x[i] - to_float(high[i])));
  }
}

TEST_P(EachKernels, InterleavesSixteenRows) {
  for (const std::int64_t units : {1, 16, 37}) {
    const std::size_t stride = static_cast<std::size_t>(units) * 4 + 2;
    std::vector<std::byte> rows(16 * stride), panel(static_cast<std::size_t>(units) * 64);
    for (std::byte& byte : rows) byte = static_cast<std::byte>(random_());
    set().interleave(rows.data(), stride, units, panel.data());
    for (std::size_t unit = 0; unit < static_cast<std::size_t>(units); ++unit) {
      for (std::size_t row = 0; row < 16; ++row) {
        for (std::size_t i = 0; i < 4; ++i)
          ASSERT_EQ(panel[(unit * 16 + row) * 4 + i], rows[row * stride + unit * 4 + i]);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, EachKernels, testing::ValuesIn(available_kernels()),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace expo
