#if defined(__AVX512BF16__)
#include <immintrin.h>

#include <cstring>

#include "expo/matrix/kernel_sets.h"
#include "expo/matrix/row_blocks.h"

namespace expo {
namespace {

constexpr std::size_t kUnitBytes = 64;  // one pair of columns of 16 rows

template <int Rows, int Panels>
void multiply_block(const Product& product, std::int64_t row, std::int64_t panel) {
  const std::uint16_t* a[Rows];
  const std::byte* b[Panels];
  __m512 sums[Rows][Panels];
  float* c = product.c + row * product.c_stride + panel * 16;
  for (int r = 0; r < Rows; ++r) {
    a[r] = static_cast<const std::uint16_t*>(product.a) + (row + r) * product.a_stride;
    for (int p = 0; p < Panels; ++p) {
      sums[r][p] =
          product.add ? _mm512_loadu_ps(c + r * product.c_stride + p * 16) : _mm512_setzero_ps();
    }
  }
  for (int p = 0; p < Panels; ++p)
    b[p] = product.panels + static_cast<std::size_t>(panel + p) * product.panel_stride;
  const std::int64_t units = product.padded_columns / 2;
  for (std::int64_t unit = 0; unit < units; ++unit) {
    __m512bh weights[Panels];
    for (int p = 0; p < Panels; ++p) {
      std::memcpy(&weights[p], b[p] + static_cast<std::size_t>(unit) * kUnitBytes, kUnitBytes);
    }
    for (int r = 0; r < Rows; ++r) {
      int pair = 0;
      std::memcpy(&pair, a[r] + 2 * unit, sizeof pair);
      const __m512i pairs = _mm512_set1_epi32(pair);
      __m512bh left;
      std::memcpy(&left, &pairs, sizeof left);
      for (int p = 0; p < Panels; ++p) sums[r][p] = _mm512_dpbf16_ps(sums[r][p], left, weights[p]);
    }
  }
  for (int r = 0; r < Rows; ++r) {
    for (int p = 0; p < Panels; ++p)
      _mm512_storeu_ps(c + r * product.c_stride + p * 16, sums[r][p]);
  }
}

template <int Panels>
void multiply_rows(const Product& product, std::int64_t panel) {
  in_row_blocks(product.rows, [&]<int Rows>(std::int64_t row) {
    multiply_block<Rows, Panels>(product, row, panel);
  });
}

}  // namespace

void multiply_avx512_bf16(const Product& product) {
  std::int64_t panel = 0;
  for (; panel + 4 <= product.panel_count; panel += 4) multiply_rows<4>(product, panel);
  for (; panel + 2 <= product.panel_count; panel += 2) multiply_rows<2>(product, panel);
  for (; panel < product.panel_count; ++panel) multiply_rows<1>(product, panel);
}

}  // namespace expo
#endif
