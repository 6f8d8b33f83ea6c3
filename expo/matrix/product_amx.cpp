#if defined(__AMX_BF16__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "expo/matrix/kernel_sets.h"

// A tile holds 16 rows of 64 bytes: 16 rows by 32 columns of A, 16 pairs of columns by the 16 rows
// of a panel of B, or 16 by 16 elements of C. Tiles 0 to 3 hold C, 4 and 5 A, 6 and 7 B.

namespace expo {
namespace {

constexpr std::int64_t kTileRows = 16;
constexpr std::int64_t kTileColumns = 32;
constexpr std::size_t kTileBytes = 1024;

struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

/// Sets the tiles' shapes: those of A and C have `upper` rows in the first 16 of a block and
/// `lower` in the next.
void configure(std::int64_t upper, std::int64_t lower) {
  TileConfiguration configuration;
  for (int tile = 0; tile < 8; ++tile) configuration.row_bytes[tile] = 64;
  const auto first = static_cast<std::uint8_t>(upper);
  const auto second = static_cast<std::uint8_t>(lower == 0 ? upper : lower);
  const std::uint8_t rows[8] = {first, first, second, second, first, second, 16, 16};
  std::copy_n(rows, 8, configuration.rows);
  // GCC 12 declares that _tile_loadconfig reads only 8 of the 64 bytes.
  asm volatile("" : : "r"(&configuration) : "memory");
  _tile_loadconfig(&configuration);
}

struct Block {
  const std::uint16_t* a;
  std::size_t a_bytes;  ///< bytes from one row to the next
  const std::byte* b;
  std::size_t panel_bytes;
  float* c;
  std::size_t c_bytes;
  std::int64_t steps;
  bool add;
};

/// Multiplies up to 16 rows by one panel.
void multiply_16x16(const Block& block) {
  if (block.add) {
    _tile_loadd(0, block.c, block.c_bytes);
  } else {
    _tile_zero(0);
  }
  for (std::int64_t step = 0; step < block.steps; ++step) {
    _tile_loadd(4, block.a + step * kTileColumns, block.a_bytes);
    _tile_loadd(6, block.b + static_cast<std::size_t>(step) * kTileBytes, 64);
    _tile_dpbf16ps(0, 4, 6);
  }
  _tile_stored(0, block.c, block.c_bytes);
}

/// Multiplies up to 16 rows by four panels.
void multiply_16x64(const Block& block) {
  float* c[4];
  const std::byte* b[4];
  for (int i = 0; i < 4; ++i) {
    c[i] = block.c + i * kTileRows;
    b[i] = block.b + static_cast<std::size_t>(i) * block.panel_bytes;
  }
  if (block.add) {
    _tile_loadd(0, c[0], block.c_bytes);
    _tile_loadd(1, c[1], block.c_bytes);
    _tile_loadd(2, c[2], block.c_bytes);
    _tile_loadd(3, c[3], block.c_bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (std::int64_t step = 0; step < block.steps; ++step) {
    const auto at = static_cast<std::size_t>(step) * kTileBytes;
    _tile_loadd(4, block.a + step * kTileColumns, block.a_bytes);
    _tile_loadd(6, b[0] + at, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b[1] + at, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(6, b[2] + at, 64);
    _tile_dpbf16ps(2, 4, 6);
    _tile_loadd(7, b[3] + at, 64);
    _tile_dpbf16ps(3, 4, 7);
  }
  _tile_stored(0, c[0], block.c_bytes);
  _tile_stored(1, c[1], block.c_bytes);
  _tile_stored(2, c[2], block.c_bytes);
  _tile_stored(3, c[3], block.c_bytes);
}

/// Multiplies 17 to 32 rows by two panels.
void multiply_32x32(const Block& block) {
  float* lower = block.c + kTileRows * static_cast<std::int64_t>(block.c_bytes / sizeof(float));
  const std::uint16_t* a_lower =
      block.a + kTileRows * static_cast<std::int64_t>(block.a_bytes / sizeof(std::uint16_t));
  if (block.add) {
    _tile_loadd(0, block.c, block.c_bytes);
    _tile_loadd(1, block.c + kTileRows, block.c_bytes);
    _tile_loadd(2, lower, block.c_bytes);
    _tile_loadd(3, lower + kTileRows, block.c_bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (std::int64_t step = 0; step < block.steps; ++step) {
    const std::byte* b = block.b + static_cast<std::size_t>(step) * kTileBytes;
    _tile_loadd(4, block.a + step * kTileColumns, block.a_bytes);
    _tile_loadd(6, b, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + block.panel_bytes, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a_lower + step * kTileColumns, block.a_bytes);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, block.c, block.c_bytes);
  _tile_stored(1, block.c + kTileRows, block.c_bytes);
  _tile_stored(2, lower, block.c_bytes);
  _tile_stored(3, lower + kTileRows, block.c_bytes);
}

Block block_at(const Product& product, std::int64_t row, std::int64_t panel) {
  return {static_cast<const std::uint16_t*>(product.a) + row * product.a_stride,
          static_cast<std::size_t>(product.a_stride) * sizeof(std::uint16_t),
          product.panels + static_cast<std::size_t>(panel) * product.panel_stride,
          product.panel_stride,
          product.c + row * product.c_stride + panel * kTileRows,
          static_cast<std::size_t>(product.c_stride) * sizeof(float),
          product.padded_columns / kTileColumns,
          product.add};
}

void multiply_narrow(const Product& product, std::int64_t row) {
  std::int64_t panel = 0;
  for (; panel + 4 <= product.panel_count; panel += 4)
    multiply_16x64(block_at(product, row, panel));
  for (; panel < product.panel_count; ++panel) multiply_16x16(block_at(product, row, panel));
}

void multiply_wide(const Product& product, std::int64_t row, std::int64_t lower) {
  std::int64_t panel = 0;
  for (; panel + 2 <= product.panel_count; panel += 2)
    multiply_32x32(block_at(product, row, panel));
  if (panel == product.panel_count) return;
  multiply_16x16(block_at(product, row, panel));
  configure(lower, 0);
  multiply_16x16(block_at(product, row + kTileRows, panel));
  configure(kTileRows, lower);
}

}  // namespace

void multiply_amx(const Product& product) {
  std::int64_t configured = -1;
  for (std::int64_t row = 0; row < product.rows;) {
    const std::int64_t rest = std::min<std::int64_t>(product.rows - row, 2 * kTileRows);
    const std::int64_t upper = std::min(rest, kTileRows);
    if (configured != rest) configure(upper, rest - upper);
    configured = rest;
    if (rest <= kTileRows) {
      multiply_narrow(product, row);
    } else {
      multiply_wide(product, row, rest - kTileRows);
    }
    row += rest;
  }
  _tile_release();
}

bool may_use_amx() noexcept {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  static const bool granted = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return granted;
}

}  // namespace expo
#endif
