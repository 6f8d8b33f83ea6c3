#include "expo/extrapolation/diagnosis/spectrum.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "expo/core/error.h"
#include "support/memory_checkpoint.h"

namespace expo {
namespace {

using MemoryCheckpoint = MemoryCheckpointOf<double>;

/// Entry k of the orthonormal basis of cosines (type II) of a space, in its j-th vector.
double cosine(std::size_t j, std::size_t k, std::size_t size) {
  const double angle =
      M_PI * (static_cast<double>(k) + 0.5) * static_cast<double>(j) / static_cast<double>(size);
  return std::sqrt((j == 0 ? 1.0 : 2.0) / static_cast<double>(size)) * std::cos(angle);
}

/// Σ σⱼ uⱼ vⱼᵀ, whose singular values are known, as u and v are orthonormal.
std::vector<double> matrix(std::size_t rows, std::size_t columns, std::span<const double> sigma) {
  std::vector<double> values(rows * columns);
  for (std::size_t j = 0; j < sigma.size(); ++j) {
    for (std::size_t r = 0; r < rows; ++r) {
      const double left = sigma[j] * cosine(j, r, rows);
      for (std::size_t c = 0; c < columns; ++c)
        values[r * columns + c] += left * cosine(j, c, columns);
    }
  }
  return values;
}

std::vector<double> slope(std::size_t count) {
  std::vector<double> sigma(count);
  for (std::size_t i = 0; i < count; ++i) sigma[i] = 1e-3 / std::pow(1 + double(i), 1.5);
  return sigma;
}

struct Pair {
  MemoryCheckpoint sft;
  MemoryCheckpoint aligned;
};

Pair pair_of(const std::vector<MemoryCheckpoint::Entry>& changes) {
  std::mt19937 engine(3);
  std::uniform_int_distribution<int> whole(-8, 8);
  std::vector<MemoryCheckpoint::Entry> sft = changes;
  std::vector<MemoryCheckpoint::Entry> aligned = changes;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    for (std::size_t k = 0; k < changes[i].values.size(); ++k) {
      sft[i].values[k] = whole(engine);  // Differences from it stay exact to 1e-15.
      aligned[i].values[k] += sft[i].values[k];
    }
  }
  return {MemoryCheckpoint(sft), MemoryCheckpoint(aligned)};
}

Diagnosis spectra_of(const Pair& pair, const SpectrumOptions& options = {}) {
  const CancellationToken cancellation;
  Diagnosis diagnosis = diagnose(pair.sft, pair.aligned, {}, cancellation);
  add_spectra(pair.sft, pair.aligned, diagnosis, options, cancellation);
  return diagnosis;
}

const std::string kUp = "model.layers.0.mlp.up_proj.weight";
const std::string kDown = "model.layers.0.mlp.down_proj.weight";

/// Tall and wide matrices that take several blocks, and square ones that take one.
class KnownSpectrum : public testing::TestWithParam<std::pair<std::size_t, std::size_t>> {};

TEST_P(KnownSpectrum, IsFound) {
  const auto [rows, columns] = GetParam();
  const std::vector<double> sigma = slope(20);
  const Diagnosis found =
      spectra_of(pair_of({{kUp, {rows, columns}, matrix(rows, columns, sigma)}}));
  const std::vector<double>& spectrum = found.tensors[0].spectrum;
  ASSERT_EQ(spectrum.size(), std::min(rows, columns));
  for (std::size_t i = 0; i < spectrum.size(); ++i)
    EXPECT_NEAR(spectrum[i], i < sigma.size() ? sigma[i] : 0, 1e-9) << i;
  const double square = std::inner_product(spectrum.begin(), spectrum.end(), spectrum.begin(), 0.0);
  EXPECT_NEAR(square / found.tensors[0].delta.sums().delta_squared, 1, 1e-9);
}

INSTANTIATE_TEST_SUITE_P(Shapes, KnownSpectrum,
                         testing::Values(std::pair{40U, 40U}, std::pair{30000U, 40U},
                                         std::pair{40U, 30000U}, std::pair{2100U, 600U},
                                         std::pair{600U, 2100U}, std::pair{25U, 20U}));

TEST(Spectrum, OfAnExactlyLowRankChangeEndsInZeros) {
  const std::vector<double> sigma{0.5, 0.25};
  const Diagnosis found = spectra_of(pair_of({{kUp, {64, 48}, matrix(64, 48, sigma)}}));
  const std::vector<double>& spectrum = found.tensors[0].spectrum;
  for (std::size_t i = 2; i < spectrum.size(); ++i) EXPECT_EQ(spectrum[i], 0) << i;
  EXPECT_NEAR(stable_rank(spectrum), 1.25, 1e-9);
}

TEST(Spectrum, DoesNotDependOnThreadsAndMemory) {
  std::vector<MemoryCheckpoint::Entry> changes;
  for (int i = 0; i < 9; ++i) {
    changes.push_back({"model.layers." + std::to_string(i) + ".mlp.up_proj.weight",
                       {50, 70},
                       matrix(50, 70, slope(10 + static_cast<std::size_t>(i)))});
  }
  const Pair pair = pair_of(changes);
  const Diagnosis one = spectra_of(pair, {.threads = 1});
  const Diagnosis seven = spectra_of(pair, {.threads = 7});
  const Diagnosis poor = spectra_of(pair, {.threads = 7, .memory = 1});
  for (std::size_t i = 0; i < changes.size(); ++i) {
    EXPECT_EQ(one.tensors[i].spectrum, seven.tensors[i].spectrum);
    EXPECT_EQ(one.tensors[i].spectrum, poor.tensors[i].spectrum);
  }
}

TEST(Spectrum, IsThatOfTheCommonRows) {
  const std::vector<double> sigma = slope(4);
  Pair pair = pair_of({{"model.embed_tokens.weight", {50, 8}, matrix(50, 8, sigma)}});
  const std::vector<double> longer(60 * 8, 1.0);
  std::vector<double> values(longer);
  ReadScratch scratch;
  const auto bytes = pair.aligned.read(0, 0, 400, scratch);
  std::copy_n(reinterpret_cast<const double*>(bytes.data()), 400, values.begin());
  const MemoryCheckpoint resized({{"model.embed_tokens.weight", {60, 8}, values}});
  const CancellationToken cancellation;
  Diagnosis diagnosis = diagnose(pair.sft, resized, {}, cancellation);
  add_spectra(pair.sft, resized, diagnosis, {}, cancellation);
  ASSERT_EQ(diagnosis.tensors[0].spectrum.size(), 8U);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(diagnosis.tensors[0].spectrum[i], sigma[i], 1e-9);
}

TEST(Spectrum, IsOfMatricesOnlyAndCountsWhatIsNotFiniteAsZero) {
  std::vector<double> damaged = matrix(6, 5, std::vector{1.0});
  const double left = damaged[7];
  damaged[7] = std::numeric_limits<double>::quiet_NaN();
  const Diagnosis found = spectra_of(pair_of({{kUp, {6, 5}, damaged},
                                              {"model.norm.weight", {5}, {1, 2, 3, 4, 5}},
                                              {kDown, {5, 6}, std::vector<double>(30)}}));
  const std::vector<double>& spectrum = found.tensors[0].spectrum;
  EXPECT_NEAR(std::inner_product(spectrum.begin(), spectrum.end(), spectrum.begin(), 0.0),
              1 - left * left, 1e-9);
  EXPECT_TRUE(found.tensors[1].spectrum.empty());
  EXPECT_EQ(found.tensors[2].spectrum, std::vector<double>(5));  // It did not change.
  const auto kinds = spectra_by_kind(found);
  ASSERT_EQ(kinds.size(), 1U);
  EXPECT_EQ(kinds[0].kind, "mlp.up");
}

TEST(Spectrum, IsSummarisedByKind) {
  // Stable ranks 2 and 1.25; of ‖Δ‖² = 2 + 5, the first of each hold 1 + 4.
  const Diagnosis found = spectra_of(pair_of(
      {{kUp, {10, 8}, matrix(10, 8, std::vector{1.0, 1.0})},
       {"model.layers.1.mlp.up_proj.weight", {10, 8}, matrix(10, 8, std::vector{2.0, 1.0})}}));
  const auto kinds = spectra_by_kind(found);
  ASSERT_EQ(kinds.size(), 1U);
  EXPECT_EQ(kinds[0].matrices, 2U);
  EXPECT_EQ(kinds[0].full_rank, 8);
  EXPECT_NEAR(kinds[0].stable_rank, (2 + 1.25) / 2, 1e-9);
  const double entropy = -(2.0 / 3 * std::log(2.0 / 3) + 1.0 / 3 * std::log(1.0 / 3));
  EXPECT_NEAR(kinds[0].effective_rank, (2 + std::exp(entropy)) / 2, 1e-6);
  EXPECT_NEAR(kinds[0].leading[0], 5.0 / 7, 1e-9);
  EXPECT_NEAR(kinds[0].leading[1], 1, 1e-9);
}

TEST(Spectrum, StopsWhenItIsCancelled) {
  const Pair pair = pair_of({{kUp, {40, 40}, matrix(40, 40, slope(3))}});
  const CancellationToken running;
  Diagnosis diagnosis = diagnose(pair.sft, pair.aligned, {}, running);
  CancellationToken cancelled;
  cancelled.cancel();
  try {
    add_spectra(pair.sft, pair.aligned, diagnosis, {}, cancelled);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::interrupted);
  }
}

TEST(Spectrum, HasNoRankWithoutAChange) {
  EXPECT_EQ(stable_rank({}), 0);
  EXPECT_EQ(effective_rank(std::vector<double>(4)), 0);
  EXPECT_NEAR(effective_rank(std::vector<double>(4, 0.5)), 4, 1e-12);
}

}  // namespace
}  // namespace expo
