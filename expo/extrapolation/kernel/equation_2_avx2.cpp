#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#include <immintrin.h>

#include "expo/extrapolation/kernel/equation_2_simd.h"

// Compiled with AVX2, FMA and F16C enabled: see cmake/kernel_paths.cmake.

namespace expo {
namespace {

struct Avx2 {
  struct D {
    __m256d a, b;
  };
  struct U {
    __m256i a, b;
  };
  using M = D;  // all bits of a lane are set or clear
  struct F {
    __m256 a, b;
  };
  struct H {
    __m128i a, b;
  };
  struct Pair {
    D low, high;
  };

  static D set(double value) { return {_mm256_set1_pd(value), _mm256_set1_pd(value)}; }
  static D load(const double* values) {
    return {_mm256_loadu_pd(values), _mm256_loadu_pd(values + 4)};
  }
  static void store(double* values, D x) {
    _mm256_storeu_pd(values, x.a);
    _mm256_storeu_pd(values + 4, x.b);
  }
  static D subtract(D x, D y) { return {_mm256_sub_pd(x.a, y.a), _mm256_sub_pd(x.b, y.b)}; }
  static D multiply(D x, D y) { return {_mm256_mul_pd(x.a, y.a), _mm256_mul_pd(x.b, y.b)}; }
  static D add(D x, D y) { return {_mm256_add_pd(x.a, y.a), _mm256_add_pd(x.b, y.b)}; }
  static D bitwise_or(D x, D y) { return {_mm256_or_pd(x.a, y.a), _mm256_or_pd(x.b, y.b)}; }
  static D bitwise_and(D x, D y) { return {_mm256_and_pd(x.a, y.a), _mm256_and_pd(x.b, y.b)}; }
  static D magnitude(D x) {
    const __m256d sign = _mm256_set1_pd(-0.0);
    return {_mm256_andnot_pd(sign, x.a), _mm256_andnot_pd(sign, x.b)};
  }
  static D with_sign_of(D positive, D x) { return bitwise_or(positive, bitwise_and(x, set(-0.0))); }
  /// x + y rounded toward zero, for non-negative numbers with an exact (x + y) − y: one unit in the
  /// last place is taken back where the sum was rounded up.
  static D add_toward_zero(D x, D y) {
    const D sum = add(x, y);
    const D up = compare<_CMP_GT_OQ>(subtract(sum, y), x);
    return number(add(bits(sum), bits(up)));
  }
  template <bool kExactProduct>
  static D accumulate(D x, D y, D sum) {
    if constexpr (kExactProduct) {
      return {_mm256_fmadd_pd(x.a, y.a, sum.a), _mm256_fmadd_pd(x.b, y.b, sum.b)};
    }
    return add(sum, multiply(x, y));
  }

  template <int kPredicate>
  static M compare(D x, D y) {
    return {_mm256_cmp_pd(x.a, y.a, kPredicate), _mm256_cmp_pd(x.b, y.b, kPredicate)};
  }
  static M not_equal(D x, D y) { return compare<_CMP_NEQ_UQ>(x, y); }
  static M equal_where(M where, D x, D y) { return bitwise_and(where, compare<_CMP_EQ_OQ>(x, y)); }
  static D add_where(M where, D x, D y) {
    const D sum = add(x, y);
    return {_mm256_blendv_pd(x.a, sum.a, where.a), _mm256_blendv_pd(x.b, sum.b, where.b)};
  }
  static unsigned count(M low, M high) {
    const int mask = _mm256_movemask_pd(low.a) | _mm256_movemask_pd(low.b) << 4 |
                     _mm256_movemask_pd(high.a) << 8 | _mm256_movemask_pd(high.b) << 12;
    return static_cast<unsigned>(__builtin_popcount(static_cast<unsigned>(mask)));
  }
  static bool any(M low, M high) {
    const D both = bitwise_or(low, high);
    return _mm256_movemask_pd(_mm256_or_pd(both.a, both.b)) != 0;
  }
  /// Whether any value has a magnitude above `largest` or is NaN.
  static bool any_beyond(const Pair& x, double largest) {
    return any(compare<_CMP_NLE_UQ>(magnitude(x.low), set(largest)),
               compare<_CMP_NLE_UQ>(magnitude(x.high), set(largest)));
  }
  static bool any_subnormal(const Pair& x, double smallest_normal) {
    return any(subnormal(magnitude(x.low), smallest_normal),
               subnormal(magnitude(x.high), smallest_normal));
  }
  static M subnormal(D magnitude, double smallest_normal) {
    return bitwise_and(compare<_CMP_LT_OQ>(magnitude, set(smallest_normal)),
                       compare<_CMP_NEQ_OQ>(magnitude, set(0.0)));
  }
  /// `bound` where x is below it, and 0 elsewhere.
  static D set_below(D x, double bound) {
    return bitwise_and(compare<_CMP_LT_OQ>(x, set(bound)), set(bound));
  }

  static U set(std::uint64_t value) {
    const __m256i x = _mm256_set1_epi64x(static_cast<long long>(value));
    return {x, x};
  }
  static U count_up(std::uint64_t first) {
    return add(set(first), {_mm256_setr_epi64x(0, 1, 2, 3), _mm256_setr_epi64x(4, 5, 6, 7)});
  }
  static U bits(D x) { return {_mm256_castpd_si256(x.a), _mm256_castpd_si256(x.b)}; }
  static D number(U x) { return {_mm256_castsi256_pd(x.a), _mm256_castsi256_pd(x.b)}; }
  static U add(U x, U y) { return {_mm256_add_epi64(x.a, y.a), _mm256_add_epi64(x.b, y.b)}; }
  static U multiply_halves(U x, U y) {
    return {_mm256_mul_epu32(x.a, y.a), _mm256_mul_epu32(x.b, y.b)};
  }
  static U exclusive_or(U x, U y, U z) {
    return {_mm256_xor_si256(x.a, _mm256_xor_si256(y.a, z.a)),
            _mm256_xor_si256(x.b, _mm256_xor_si256(y.b, z.b))};
  }
  template <int kBits>
  static U shift_left(U x) {
    return {_mm256_slli_epi64(x.a, kBits), _mm256_slli_epi64(x.b, kBits)};
  }
  template <int kBits>
  static U shift_right(U x) {
    return {_mm256_srli_epi64(x.a, kBits), _mm256_srli_epi64(x.b, kBits)};
  }
  template <int kBits>
  static U clear_low(U x) {
    const U mask = set(~std::uint64_t{0} << kBits);
    return {_mm256_and_si256(x.a, mask.a), _mm256_and_si256(x.b, mask.b)};
  }
  static U load_draws(const std::uint32_t* draws) {
    return {_mm256_cvtepu32_epi64(load_128(draws)), _mm256_cvtepu32_epi64(load_128(draws + 4))};
  }
  static void store_draws(std::uint32_t* draws, U words) {
    store_128(draws, low_halves(words.a));
    store_128(draws + 4, low_halves(words.b));
  }
  static __m128i load_128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  static void store_128(void* p, __m128i x) { _mm_storeu_si128(static_cast<__m128i*>(p), x); }
  /// The lower 32 bits of each 64-bit lane.
  static __m128i low_halves(__m256i x) {
    return _mm256_castsi256_si128(
        _mm256_permutevar8x32_epi32(x, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6)));
  }

  static F set_single(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
  static F add(F x, F y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
  static F subtract(F x, F y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
  static F multiply(F x, F y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
  static D widen(__m256 x) {
    return {_mm256_cvtps_pd(_mm256_castps256_ps128(x)),
            _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1))};
  }
  static Pair widen(F x) { return {widen(x.a), widen(x.b)}; }
  static __m256 narrow(D x) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(x.a)), _mm256_cvtpd_ps(x.b),
                                1);
  }
  /// Rounds to nearest.
  static F narrow(const Pair& x) { return {narrow(x.low), narrow(x.high)}; }
  /// Rounds an inexact x to the neighbouring float32 whose last bit is set: rounded once more to
  /// fewer bits, it rounds as x itself would.
  static F narrow_to_odd(const Pair& x) { return {narrow_to_odd(x.low), narrow_to_odd(x.high)}; }
  static __m256 narrow_to_odd(D x) {
    const __m256 nearest = narrow(x);
    const D back = magnitude(widen(nearest));
    const D wanted = magnitude(x);
    const __m256i above = halves(compare<_CMP_GT_OQ>(wanted, back));
    const __m256i below = halves(compare<_CMP_LT_OQ>(wanted, back));
    const __m256i bits = _mm256_castps_si256(nearest);
    const __m256i last = _mm256_and_si256(bits, _mm256_set1_epi32(1));
    const __m256i even = _mm256_cmpeq_epi32(last, _mm256_setzero_si256());
    // A mask is −1 where it is set.
    const __m256i step = _mm256_and_si256(_mm256_sub_epi32(below, above), even);
    return _mm256_castsi256_ps(_mm256_add_epi32(bits, step));
  }
  static __m256i halves(M x) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low_halves(_mm256_castpd_si256(x.a))),
                                   low_halves(_mm256_castpd_si256(x.b)), 1);
  }
  /// Whether any value lies halfway between two bf16 values, so that the earlier rounding matters.
  static bool any_between_bf16(F x) {
    const __m256i half = _mm256_set1_epi32(INT32_MIN);
    const __m256i a = _mm256_slli_epi32(_mm256_castps_si256(x.a), 16);
    const __m256i b = _mm256_slli_epi32(_mm256_castps_si256(x.b), 16);
    const __m256i either =
        _mm256_or_si256(_mm256_cmpeq_epi32(a, half), _mm256_cmpeq_epi32(b, half));
    return _mm256_movemask_epi8(either) != 0;
  }
  static F round_to_bf16(F x) { return {round_to_bf16(x.a), round_to_bf16(x.b)}; }
  static __m256 round_to_bf16(__m256 x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    return _mm256_castsi256_ps(_mm256_and_si256(up, _mm256_set1_epi32(-0x10000)));
  }

  static F load_bf16(const std::byte* values) {
    return {bf16_to_single(load_128(values)), bf16_to_single(load_128(values + 16))};
  }
  static __m256 bf16_to_single(__m128i codes) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(codes), 16));
  }
  static F load_f16(const std::byte* values) {
    return from_f16({load_128(values), load_128(values + 16)});
  }
  static F load_f32(const std::byte* values) {
    const auto* floats = reinterpret_cast<const float*>(values);
    return {_mm256_loadu_ps(floats), _mm256_loadu_ps(floats + 8)};
  }
  static D load_f64(const std::byte* values) {
    return load(reinterpret_cast<const double*>(values));
  }
  static void store_bf16(std::byte* out, F x) {
    const __m256i packed = _mm256_packus_epi32(_mm256_srli_epi32(_mm256_castps_si256(x.a), 16),
                                               _mm256_srli_epi32(_mm256_castps_si256(x.b), 16));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permute4x64_epi64(packed, 0xd8));
  }
  static H to_f16(F x) {
    return {_mm256_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
            _mm256_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  static F from_f16(H codes) { return {_mm256_cvtph_ps(codes.a), _mm256_cvtph_ps(codes.b)}; }
  static void store_f16(std::byte* out, H codes) {
    store_128(out, codes.a);
    store_128(out + 16, codes.b);
  }
  static void store_f32(std::byte* out, F x) {
    auto* floats = reinterpret_cast<float*>(out);
    _mm256_storeu_ps(floats, x.a);
    _mm256_storeu_ps(floats + 8, x.b);
  }
  static void store_f64(std::byte* out, D x) { store(reinterpret_cast<double*>(out), x); }
};

}  // namespace

void extrapolate_avx2(const KernelInput& input, LaneSums& sums) {
  simd::extrapolate<Avx2>(input, sums);
}

void convert_avx2(const std::byte* in, DType in_type, std::byte* out, DType out_type,
                  std::size_t count) {
  simd::convert<Avx2>(in, in_type, out, out_type, count);
}

}  // namespace expo

#endif
