#include "expo/checkpoint/lora/update.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace expo {
namespace {

/// The number of columns whose sums are kept at once: with rank 16 their part of R fills 32 kB, the
/// first-level cache.
constexpr std::uint64_t kColumns = 256;
/// The number of rows whose part of L is widened at once.
constexpr std::uint64_t kRows = 64;

template <typename Bits>
Bits load(const std::byte* at) {
  Bits bits;
  std::memcpy(&bits, at, sizeof bits);
  return bits;
}

// These conversions have no branches, so that the compiler can vectorise the loops over them.

double widen_f16(std::uint16_t half) {
  const std::uint64_t magnitude = half & 0x7fffu;
  const std::uint64_t sign = std::uint64_t{half & 0x8000u} << 48;
  // The exponent is off by the difference of the biases, 1023 − 15: the factor 2¹⁰⁰⁸ corrects it,
  // for subnormal numbers as well.
  const double scaled = std::bit_cast<double>(magnitude << 42) * 0x1p1008;
  const std::uint64_t special = (magnitude << 42) | 0x7ff0000000000000u;
  const std::uint64_t quiet = magnitude > 0x7c00u ? std::uint64_t{1} << 51 : 0;
  const std::uint64_t bits =
      magnitude >= 0x7c00u ? special | quiet : std::bit_cast<std::uint64_t>(scaled);
  return std::bit_cast<double>(bits | sign);
}

double widen_value(const std::byte* at, DType dtype) {
  switch (dtype) {
    case DType::f16:
      return widen_f16(load<std::uint16_t>(at));
    case DType::bf16:
      return std::bit_cast<float>(std::uint32_t{load<std::uint16_t>(at)} << 16);
    case DType::f32:
      return load<float>(at);
    default:
      return load<double>(at);
  }
}

/// Widens the lines [first, first + count) of a factor: the value at (line, k) goes to
/// out[line'·line_step + k·rank_step], with line' = line − first.
void widen_lines(const LoraFactor& factor, std::uint64_t first, std::uint64_t count,
                 std::uint64_t rank, std::uint64_t line_step, std::uint64_t rank_step,
                 double* out) {
  const std::size_t width = byte_width(factor.dtype);
  for (std::uint64_t k = 0; k < rank; ++k) {
    const std::byte* source =
        factor.values.data() + (first * factor.line_stride + k * factor.rank_stride) * width;
    double* target = out + k * rank_step;
    for (std::uint64_t line = 0; line < count; ++line) {
      target[line * line_step] =
          widen_value(source + line * factor.line_stride * width, factor.dtype);
    }
  }
}

/// out[c] += scale · Σₖ line[k]·panel[k·kColumns + c] for c in [0, width).
[[gnu::always_inline]] inline void add_product(const double* line, const double* panel,
                                               std::uint64_t rank, std::uint64_t width,
                                               double scale, double* out) {
  double sums[kColumns] = {};
  std::uint64_t k = 0;
  // Taking four ranks at a time saves writing the sums to memory and reading them back; their order
  // is unchanged.
  for (; k + 4 <= rank; k += 4) {
    const double* row = panel + k * kColumns;
    const double a = line[k];
    const double b = line[k + 1];
    const double c = line[k + 2];
    const double d = line[k + 3];
    for (std::uint64_t i = 0; i < width; ++i) {
      sums[i] = (((sums[i] + a * row[i]) + b * row[i + kColumns]) + c * row[i + 2 * kColumns]) +
                d * row[i + 3 * kColumns];
    }
  }
  for (; k < rank; ++k) {
    const double* row = panel + k * kColumns;
    const double a = line[k];
    for (std::uint64_t i = 0; i < width; ++i) sums[i] = sums[i] + a * row[i];
  }
  for (std::uint64_t i = 0; i < width; ++i) out[i] = out[i] + scale * sums[i];
}

using AddProduct = void (*)(const double*, const double*, std::uint64_t, std::uint64_t, double,
                            double*);

void add_product_plain(const double* line, const double* panel, std::uint64_t rank,
                       std::uint64_t width, double scale, double* out) {
  add_product(line, panel, rank, width, scale, out);
}

#if defined(__x86_64__) && defined(__GNUC__)
// The same operations on wider vectors, so results do not depend on the processor.
[[gnu::target("avx2")]] void add_product_avx2(const double* line, const double* panel,
                                              std::uint64_t rank, std::uint64_t width, double scale,
                                              double* out) {
  add_product(line, panel, rank, width, scale, out);
}

AddProduct choose_add_product() {
  return __builtin_cpu_supports("avx2") ? add_product_avx2 : add_product_plain;
}
#else
AddProduct choose_add_product() {
  return add_product_plain;
}
#endif

const AddProduct fastest_add_product = choose_add_product();

template <typename Convert>
void widen_each(std::span<const std::byte> bytes, std::size_t width, double* out, Convert convert) {
  const std::size_t count = bytes.size() / width;
  for (std::size_t i = 0; i < count; ++i) out[i] = convert(bytes.data() + i * width);
}

}  // namespace

void widen_values(std::span<const std::byte> bytes, DType dtype, double* out) {
  // Each type has a loop of its own, inside which the type is known at compile time.
  const auto loop = [&](auto type) {
    constexpr DType kType = decltype(type)::value;
    widen_each(bytes, byte_width(kType), out,
               [](const std::byte* at) { return widen_value(at, kType); });
  };
  switch (dtype) {
    case DType::f16:
      return loop(std::integral_constant<DType, DType::f16>());
    case DType::bf16:
      return loop(std::integral_constant<DType, DType::bf16>());
    case DType::f32:
      return loop(std::integral_constant<DType, DType::f32>());
    default:
      return loop(std::integral_constant<DType, DType::f64>());
  }
}

LoraUpdate::LoraUpdate(LoraFactor left, LoraFactor right, std::uint64_t rows, std::uint64_t columns,
                       std::uint64_t rank, double scale)
    : left_(std::move(left)),
      right_(std::move(right)),
      rows_(rows),
      columns_(columns),
      rank_(rank),
      scale_(scale) {}

/// The position in the matrix of the requested values.
struct LoraUpdate::Range {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
  double* values = nullptr;
};

void LoraUpdate::add(std::uint64_t first, std::uint64_t count, double* values) const {
  if (count == 0) return;
  const Range range{first, first + count, values};
  std::vector<double> panel(rank_ * kColumns);
  std::vector<double> lines(rank_ * kRows);
  for (std::uint64_t column = 0; column < columns_; column += kColumns) {
    add_columns(range, column, std::min(kColumns, columns_ - column), panel, lines);
  }
}

void LoraUpdate::add_columns(const Range& range, std::uint64_t column, std::uint64_t width,
                             std::vector<double>& panel, std::vector<double>& lines) const {
  const std::uint64_t first_row = range.first / columns_;
  const std::uint64_t last_row = (range.end - 1) / columns_;
  widen_lines(right_, column, width, rank_, 1, kColumns, panel.data());
  for (std::uint64_t row = first_row; row <= last_row; ++row) {
    const std::uint64_t in_tile = (row - first_row) % kRows;
    if (in_tile == 0) {
      widen_lines(left_, row, std::min(kRows, last_row + 1 - row), rank_, rank_, 1, lines.data());
    }
    const std::uint64_t begin = std::max(range.first, row * columns_ + column);
    const std::uint64_t end = std::min(range.end, row * columns_ + column + width);
    if (begin >= end) continue;
    fastest_add_product(lines.data() + in_tile * rank_,
                        panel.data() + (begin - row * columns_ - column), rank_, end - begin,
                        scale_, range.values + (begin - range.first));
  }
}

bool LoraUpdate::equals(const LoraUpdate& other) const {
  if (rows_ != other.rows_ || columns_ != other.columns_ || rank_ != other.rank_ ||
      scale_ != other.scale_) {
    return false;
  }
  const auto same = [&](const LoraFactor& a, const LoraFactor& b, std::uint64_t lines) {
    std::vector<double> mine(rank_);
    std::vector<double> theirs(rank_);
    for (std::uint64_t line = 0; line < lines; ++line) {
      widen_lines(a, line, 1, rank_, 1, 1, mine.data());
      widen_lines(b, line, 1, rank_, 1, 1, theirs.data());
      if (mine != theirs) return false;
    }
    return true;
  };
  return same(left_, other.left_, rows_) && same(right_, other.right_, columns_);
}

}  // namespace expo
