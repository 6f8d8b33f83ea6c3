#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

#include <immintrin.h>

#include "expo/extrapolation/kernel/equation_2_simd.h"

// Compiled with AVX-512 enabled: see cmake/kernel_paths.cmake. VCVTNEPS2BF16 is not used because it
// flushes subnormals.

namespace expo {
namespace {

struct Avx512 {
  using D = __m512d;
  using U = __m512i;
  using M = __mmask8;
  using F = __m512;
  using H = __m256i;
  struct Pair {
    D low, high;
  };
  static constexpr int kTowardZero = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;

  static D set(double value) { return _mm512_set1_pd(value); }
  static D load(const double* values) { return _mm512_loadu_pd(values); }
  static void store(double* values, D x) { _mm512_storeu_pd(values, x); }
  static D subtract(D a, D b) { return _mm512_sub_pd(a, b); }
  static D multiply(D a, D b) { return _mm512_mul_pd(a, b); }
  static D bitwise_or(D a, D b) { return _mm512_or_pd(a, b); }
  static D magnitude(D x) { return _mm512_abs_pd(x); }
  static D with_sign_of(D positive, D x) {
    return _mm512_or_pd(positive, _mm512_and_pd(x, set(-0.0)));
  }
  static D add_toward_zero(D a, D b) { return _mm512_add_round_pd(a, b, kTowardZero); }
  template <bool kExactProduct>
  static D accumulate(D a, D b, D sum) {
    if constexpr (kExactProduct) return _mm512_fmadd_pd(a, b, sum);
    return _mm512_add_pd(sum, _mm512_mul_pd(a, b));
  }

  static M not_equal(D a, D b) { return _mm512_cmp_pd_mask(a, b, _CMP_NEQ_UQ); }
  static M equal_where(M where, D a, D b) {
    return _mm512_mask_cmp_pd_mask(where, a, b, _CMP_EQ_OQ);
  }
  static D add_where(M where, D a, D b) { return _mm512_mask_add_pd(a, where, a, b); }
  static unsigned count(M low, M high) {
    return static_cast<unsigned>(__builtin_popcount(_mm512_kunpackb(high, low)));
  }
  static bool any(M low, M high) { return _kortestz_mask8_u8(low, high) == 0; }
  /// Whether any value has a magnitude above `largest` or is NaN.
  static bool any_beyond(const Pair& x, double largest) {
    return any(_mm512_cmp_pd_mask(magnitude(x.low), set(largest), _CMP_NLE_UQ),
               _mm512_cmp_pd_mask(magnitude(x.high), set(largest), _CMP_NLE_UQ));
  }
  static bool any_subnormal(const Pair& x, double smallest_normal) {
    return any(subnormal(magnitude(x.low), smallest_normal),
               subnormal(magnitude(x.high), smallest_normal));
  }
  static M subnormal(D magnitude, double smallest_normal) {
    return _mm512_mask_cmp_pd_mask(_mm512_cmp_pd_mask(magnitude, set(smallest_normal), _CMP_LT_OQ),
                                   magnitude, _mm512_setzero_pd(), _CMP_NEQ_OQ);
  }
  /// `bound` where x is below it, and 0 elsewhere.
  static D set_below(D x, double bound) {
    return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(x, set(bound), _CMP_LT_OQ), set(bound));
  }

  static U set(std::uint64_t value) { return _mm512_set1_epi64(static_cast<long long>(value)); }
  static U count_up(std::uint64_t first) {
    return _mm512_add_epi64(set(first), _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static U bits(D x) { return _mm512_castpd_si512(x); }
  static D number(U bits) { return _mm512_castsi512_pd(bits); }
  static U add(U a, U b) { return _mm512_add_epi64(a, b); }
  static U multiply_halves(U a, U b) { return _mm512_mul_epu32(a, b); }
  static U exclusive_or(U a, U b, U c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }
  template <int kBits>
  static U shift_left(U x) {
    return _mm512_slli_epi64(x, kBits);
  }
  template <int kBits>
  static U shift_right(U x) {
    return _mm512_srli_epi64(x, kBits);
  }
  template <int kBits>
  static U clear_low(U x) {
    return _mm512_and_si512(x, set(~std::uint64_t{0} << kBits));
  }
  static U load_draws(const std::uint32_t* draws) {
    return _mm512_cvtepu32_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(draws)));
  }
  static void store_draws(std::uint32_t* draws, U words) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(draws), _mm512_cvtepi64_epi32(words));
  }

  static F set_single(float value) { return _mm512_set1_ps(value); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F subtract(F a, F b) { return _mm512_sub_ps(a, b); }
  static F multiply(F a, F b) { return _mm512_mul_ps(a, b); }
  static Pair widen(F x) {
    return {_mm512_cvtps_pd(_mm512_castps512_ps256(x)),
            _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1))};
  }
  static F join(__m256 low, __m256 high) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
  }
  /// Rounds to nearest.
  static F narrow(const Pair& x) { return join(_mm512_cvtpd_ps(x.low), _mm512_cvtpd_ps(x.high)); }
  /// Rounds toward zero and sets the last bit if that was inexact: rounded once more to fewer bits,
  /// it rounds as x itself would.
  static F narrow_to_odd(const Pair& x) {
    const F cut =
        join(_mm512_cvt_roundpd_ps(x.low, kTowardZero), _mm512_cvt_roundpd_ps(x.high, kTowardZero));
    const Pair back = widen(cut);
    const __mmask16 inexact =
        _mm512_kunpackb(not_equal(back.high, x.high), not_equal(back.low, x.low));
    const __m512i bits = _mm512_castps_si512(cut);
    return _mm512_castsi512_ps(_mm512_mask_or_epi32(bits, inexact, bits, _mm512_set1_epi32(1)));
  }
  /// Whether any value lies halfway between two bf16 values, so that the earlier rounding matters.
  static bool any_between_bf16(F x) {
    const __m512i rest = _mm512_slli_epi32(_mm512_castps_si512(x), 16);
    return _mm512_cmpeq_epi32_mask(rest, _mm512_set1_epi32(INT32_MIN)) != 0;
  }
  static F round_to_bf16(F x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    return _mm512_castsi512_ps(_mm512_and_si512(up, _mm512_set1_epi32(-0x10000)));
  }

  static F load_bf16(const std::byte* values) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_16(values)), 16));
  }
  static F load_f16(const std::byte* values) { return _mm512_cvtph_ps(load_16(values)); }
  static F load_f32(const std::byte* values) { return _mm512_loadu_ps(values); }
  static D load_f64(const std::byte* values) { return _mm512_loadu_pd(values); }
  static H load_16(const std::byte* values) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values));
  }
  static void store_bf16(std::byte* out, F x) {
    store_f16(out, _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_castps_si512(x), 16)));
  }
  static H to_f16(F x) { return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F from_f16(H codes) { return _mm512_cvtph_ps(codes); }
  static void store_f16(std::byte* out, H codes) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), codes);
  }
  static void store_f32(std::byte* out, F x) { _mm512_storeu_ps(out, x); }
  static void store_f64(std::byte* out, D x) { _mm512_storeu_pd(out, x); }
};

}  // namespace

void extrapolate_avx512(const KernelInput& input, LaneSums& sums) {
  simd::extrapolate<Avx512>(input, sums);
}

void convert_avx512(const std::byte* in, DType in_type, std::byte* out, DType out_type,
                    std::size_t count) {
  simd::convert<Avx512>(in, in_type, out, out_type, count);
}

}  // namespace expo

#endif
