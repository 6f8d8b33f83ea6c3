#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

#include <cstring>

#include "expo/matrix/kernel_sets.h"
#include "expo/matrix/row_blocks.h"

// The products of kernels_generic.h again, for registers of eight values: GCC takes vectors of
// sixteen through the stack here. Six rows by one panel fill twelve of the sixteen registers.

namespace expo {
namespace {

constexpr std::size_t kUnitBytes = 64;  // 16 rows of one column, or of one pair of columns

/// The sums of one row of A with the 16 rows of a panel.
struct RowSums {
  __m256 low;
  __m256 high;

  void add(__m256 value, __m256 low_weights, __m256 high_weights) {
    low = _mm256_fmadd_ps(value, low_weights, low);
    high = _mm256_fmadd_ps(value, high_weights, high);
  }
};

struct Float32 {
  using Element = float;
  static constexpr std::int64_t kPair = 1;

  template <int Rows>
  static inline void step(const float* const (&a)[Rows], std::int64_t unit, const std::byte* b,
                          RowSums (&sums)[Rows]) {
    const auto* weights = reinterpret_cast<const float*>(b);
    const __m256 low = _mm256_loadu_ps(weights);
    const __m256 high = _mm256_loadu_ps(weights + 8);
    for (int r = 0; r < Rows; ++r) sums[r].add(_mm256_broadcast_ss(a[r] + unit), low, high);
  }
};

/// Columns come in pairs; a value is the upper half of a float32.
struct Bfloat16 {
  using Element = std::uint16_t;
  static constexpr std::int64_t kPair = 2;

  static __m256 even(__m256i pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)); }
  static __m256 odd(__m256i pairs) {
    return _mm256_castsi256_ps(
        _mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xFFFF0000U))));
  }
  static __m256i pairs_of(const std::uint16_t* row, std::int64_t unit) {
    int pair = 0;
    std::memcpy(&pair, row + 2 * unit, sizeof pair);
    return _mm256_set1_epi32(pair);
  }

  template <int Rows>
  static inline void step(const std::uint16_t* const (&a)[Rows], std::int64_t unit,
                          const std::byte* b, RowSums (&sums)[Rows]) {
    const auto* pairs = reinterpret_cast<const __m256i*>(b);
    const __m256i low = _mm256_loadu_si256(pairs);
    const __m256i high = _mm256_loadu_si256(pairs + 1);
    const __m256 low_even = even(low), high_even = even(high);
    for (int r = 0; r < Rows; ++r) sums[r].add(even(pairs_of(a[r], unit)), low_even, high_even);
    const __m256 low_odd = odd(low), high_odd = odd(high);
    for (int r = 0; r < Rows; ++r) sums[r].add(odd(pairs_of(a[r], unit)), low_odd, high_odd);
  }
};

template <typename Type, int Rows>
void multiply_block(const Product& product, std::int64_t row, std::int64_t panel) {
  const typename Type::Element* a[Rows];
  RowSums sums[Rows];
  float* c = product.c + row * product.c_stride + panel * 16;
  for (int r = 0; r < Rows; ++r) {
    a[r] = static_cast<const typename Type::Element*>(product.a) + (row + r) * product.a_stride;
    const float* old = c + r * product.c_stride;
    sums[r] = product.add ? RowSums{_mm256_loadu_ps(old), _mm256_loadu_ps(old + 8)}
                          : RowSums{_mm256_setzero_ps(), _mm256_setzero_ps()};
  }
  const std::byte* b = product.panels + static_cast<std::size_t>(panel) * product.panel_stride;
  const std::int64_t units = product.padded_columns / Type::kPair;
  for (std::int64_t unit = 0; unit < units; ++unit, b += kUnitBytes)
    Type::template step<Rows>(a, unit, b, sums);
  for (int r = 0; r < Rows; ++r) {
    _mm256_storeu_ps(c + r * product.c_stride, sums[r].low);
    _mm256_storeu_ps(c + r * product.c_stride + 8, sums[r].high);
  }
}

template <typename Type>
void multiply_rows(const Product& product, std::int64_t panel) {
  in_row_blocks(product.rows, [&]<int Rows>(std::int64_t row) {
    multiply_block<Type, Rows>(product, row, panel);
  });
}

template <typename Type>
void multiply(const Product& product) {
  for (std::int64_t panel = 0; panel < product.panel_count; ++panel)
    multiply_rows<Type>(product, panel);
}

}  // namespace

void multiply_avx2_f32(const Product& product) {
  multiply<Float32>(product);
}

void multiply_avx2_bf16(const Product& product) {
  multiply<Bfloat16>(product);
}

}  // namespace expo
#endif
