#include "expo/checkpoint/lora/update.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "expo/core/float_formats.h"

namespace expo {
namespace {

template <typename Bits>
std::vector<std::byte> bytes_of(const std::vector<Bits>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(Bits));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::uint64_t bits(double value) {
  return std::bit_cast<std::uint64_t>(value);
}

TEST(WidenValues, AllOf16BitsAsTheIntegerConversionsHaveThem) {
  std::vector<std::uint16_t> all(65536);
  for (unsigned i = 0; i < 65536; ++i) all[i] = static_cast<std::uint16_t>(i);
  std::vector<double> f16(65536);
  std::vector<double> bf16(65536);
  widen_values(bytes_of(all), DType::f16, f16.data());
  widen_values(bytes_of(all), DType::bf16, bf16.data());
  for (unsigned i = 0; i < 65536; ++i) {
    ASSERT_EQ(bits(f16[i]), bits(f16_to_double(all[i]))) << i;
    ASSERT_EQ(bits(bf16[i]), bits(bf16_to_double(all[i]))) << i;
  }
}

TEST(WidenValues, KeepsFloat32AndFloat64) {
  double out[3];
  widen_values(bytes_of<float>({1.5f, -0.0f, 0x1p-149f}), DType::f32, out);
  EXPECT_EQ(out[0], 1.5);
  EXPECT_TRUE(std::signbit(out[1]));
  EXPECT_EQ(out[2], 0x1p-149);
  widen_values(bytes_of<double>({0.1, -1e300, 0x1p-1074}), DType::f64, out);
  EXPECT_EQ(out[0], 0.1);
  EXPECT_EQ(out[1], -1e300);
  EXPECT_EQ(out[2], 0x1p-1074);
}

struct Sizes {
  std::uint64_t rows, columns, rank;
};

/// A random update, and what it should add, computed one element at a time.
struct Example {
  Example(Sizes sizes, bool transposed, std::mt19937_64& random) : size(sizes) {
    std::normal_distribution<float> normal;
    left.resize(size.rows * size.rank);
    right.resize(size.columns * size.rank);
    for (float& value : left) value = normal(random);
    for (float& value : right) value = normal(random);
    const auto [rows, columns, rank] = size;
    // (rows, rank)·(rank, columns), or both stored transposed.
    const LoraFactor l{bytes_of(left), DType::f32, transposed ? 1 : rank, transposed ? rows : 1};
    const LoraFactor r{bytes_of(right), DType::f32, transposed ? rank : 1,
                       transposed ? 1 : columns};
    update = std::make_unique<LoraUpdate>(l, r, rows, columns, rank, scale);
    for (std::uint64_t i = 0; i < rows * columns; ++i) {
      double sum = 0;
      for (std::uint64_t k = 0; k < rank; ++k) {
        const std::uint64_t row = i / columns;
        const std::uint64_t column = i % columns;
        const double a = left[transposed ? k * rows + row : row * rank + k];
        const double b = right[transposed ? column * rank + k : k * columns + column];
        const double product = a * b;
        sum = sum + product;
      }
      added.push_back(scale * sum);
    }
  }

  Sizes size;
  double scale = 1.0 / 3;
  std::vector<float> left;
  std::vector<float> right;
  std::vector<double> added;
  std::unique_ptr<LoraUpdate> update;
};

TEST(LoraUpdate, AddsTheSameBitsWhateverTheRange) {
  constexpr std::uint64_t kSeed = 20240917;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  const Sizes sizes[] = {{1, 1, 1},    {3, 5, 2},    {7, 300, 16}, {200, 9, 5},
                         {64, 256, 8}, {65, 257, 7}, {130, 513, 3}};
  for (const Sizes& size : sizes) {
    for (const bool transposed : {false, true}) {
      const Example example(size, transposed, random);
      const std::uint64_t total = size.rows * size.columns;
      for (int trial = 0; trial < 30; ++trial) {
        const std::uint64_t first = trial == 0 ? 0 : random() % total;
        const std::uint64_t count = trial == 0 ? total : 1 + random() % (total - first);
        std::vector<double> values(count);
        for (std::uint64_t i = 0; i < count; ++i) values[i] = 0.01 * static_cast<double>(first + i);
        example.update->add(first, count, values.data());
        for (std::uint64_t i = 0; i < count; ++i) {
          const double base = 0.01 * static_cast<double>(first + i);
          ASSERT_EQ(bits(values[i]), bits(base + example.added[first + i]))
              << size.rows << "x" << size.columns << " rank " << size.rank << " at " << first + i;
        }
      }
      example.update->add(total, 0, nullptr);
    }
  }
}

TEST(LoraUpdate, EqualsWhatAddsTheSame) {
  const std::vector<float> left{1, 2, 3, 4, 5, 6};             // (3, 2)
  const std::vector<float> left_transposed{1, 3, 5, 2, 4, 6};  // (2, 3)
  const std::vector<float> right{7, 8};
  const LoraFactor r{bytes_of(right), DType::f32, 1, 1};
  const LoraUpdate one({bytes_of(left), DType::f32, 2, 1}, r, 3, 1, 2, 0.5);
  const LoraUpdate same({bytes_of(left_transposed), DType::f32, 1, 3}, r, 3, 1, 2, 0.5);
  const LoraUpdate rescaled({bytes_of(left), DType::f32, 2, 1}, r, 3, 1, 2, 0.25);
  const LoraUpdate other({bytes_of(left_transposed), DType::f32, 2, 1}, r, 3, 1, 2, 0.5);
  EXPECT_TRUE(one.equals(same));
  EXPECT_FALSE(one.equals(rescaled));
  EXPECT_FALSE(one.equals(other));
}

}  // namespace
}  // namespace expo
