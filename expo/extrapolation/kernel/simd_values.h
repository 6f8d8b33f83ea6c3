#pragma once

#include "expo/extrapolation/kernel/paths.h"

// The kernel's loops, written once over the operations of an instruction set. `Isa` is a class of
// the including file, in its anonymous namespace, so that nothing here is shared between files that
// are compiled for different processors. Its types:
//   D     8 float64               U  8 integers of 64 bits       M  8 booleans
//   Pair  16 float64, two D       F  16 float32                 H  16 float16 codes
// Each step covers 16 elements. A step that holds anything but finite numbers is passed to
// extrapolate_elements, which defines the result; so are tails.

namespace expo::simd {

inline constexpr std::size_t kStep = 16;

template <class Isa>
using Pair = typename Isa::Pair;

// Input formats: 16 values as float64. Formats narrower than float64 have at most 24 significant
// bits, so products of two values are exact, and a fused addition rounds as a separate one does.

/// Reads bfloat16 values.
template <class Isa>
struct Bf16Values {
  static constexpr DType kType = DType::bf16;
  static constexpr std::size_t kWidth = 2;
  static constexpr bool kExactProducts = true;
  const std::byte* values;
  Pair<Isa> load(std::size_t index) const { return Isa::widen(Isa::load_bf16(values + 2 * index)); }
};

/// Reads binary16 values.
template <class Isa>
struct F16Values {
  static constexpr DType kType = DType::f16;
  static constexpr std::size_t kWidth = 2;
  static constexpr bool kExactProducts = true;
  const std::byte* values;
  Pair<Isa> load(std::size_t index) const { return Isa::widen(Isa::load_f16(values + 2 * index)); }
};

/// Reads float32 values.
template <class Isa>
struct F32Values {
  static constexpr DType kType = DType::f32;
  static constexpr std::size_t kWidth = 4;
  static constexpr bool kExactProducts = true;
  const std::byte* values;
  Pair<Isa> load(std::size_t index) const { return Isa::widen(Isa::load_f32(values + 4 * index)); }
};

/// Reads float64 values.
template <class Isa>
struct F64Values {
  static constexpr DType kType = DType::f64;
  static constexpr std::size_t kWidth = 8;
  static constexpr bool kExactProducts = false;
  const std::byte* values;
  Pair<Isa> load(std::size_t index) const {
    return {Isa::load_f64(values + 8 * index), Isa::load_f64(values + 8 * (index + 8))};
  }
};

/// Any of the four formats, chosen at run time: for two inputs of different types.
template <class Isa>
struct AnyValues {
  static constexpr DType kType = DType::f64;  // the widest of the four
  static constexpr std::size_t kWidth = 4;    // an average
  static constexpr bool kExactProducts = false;
  const std::byte* values;
  DType type;
  Pair<Isa> load(std::size_t index) const {
    if (type == DType::bf16) return Bf16Values<Isa>{values}.load(index);
    if (type == DType::f32) return F32Values<Isa>{values}.load(index);
    if (type == DType::f16) return F16Values<Isa>{values}.load(index);
    return F64Values<Isa>{values}.load(index);
  }
};

// Output formats. `nearest` rounds values within ±kLargest; `exact` converts values that the format
// represents; `values` returns the numbers that codes represent.

/// Writes bfloat16 values.
template <class Isa>
struct Bf16Output {
  static constexpr DType kType = DType::bf16;
  using Codes = typename Isa::F;
  static constexpr double kLargest = 0x1.fep127;
  static constexpr double kSmallestNormal = 0x1p-126;
  static constexpr int kFractionBits = 7;
  static Codes nearest(const Pair<Isa>& x) {
    Codes narrowed = Isa::narrow(x);
    if (Isa::any_between_bf16(narrowed)) narrowed = Isa::narrow_to_odd(x);
    return Isa::round_to_bf16(narrowed);
  }
  static Codes exact(const Pair<Isa>& x) { return Isa::narrow(x); }
  static Pair<Isa> values(const Codes& codes) { return Isa::widen(codes); }
  static void store(std::byte* out, std::size_t index, const Codes& codes) {
    Isa::store_bf16(out + 2 * index, codes);
  }
};

/// Writes binary16 values.
template <class Isa>
struct F16Output {
  static constexpr DType kType = DType::f16;
  using Codes = typename Isa::H;
  static constexpr double kLargest = 65504;
  static constexpr double kSmallestNormal = 0x1p-14;
  static constexpr int kFractionBits = 10;
  static Codes nearest(const Pair<Isa>& x) { return Isa::to_f16(Isa::narrow_to_odd(x)); }
  static Codes exact(const Pair<Isa>& x) { return Isa::to_f16(Isa::narrow(x)); }
  static Pair<Isa> values(const Codes& codes) { return Isa::widen(Isa::from_f16(codes)); }
  static void store(std::byte* out, std::size_t index, const Codes& codes) {
    Isa::store_f16(out + 2 * index, codes);
  }
};

/// Writes float32 values.
template <class Isa>
struct F32Output {
  static constexpr DType kType = DType::f32;
  using Codes = typename Isa::F;
  static constexpr double kLargest = 0x1.fffffep127;
  static constexpr double kSmallestNormal = 0x1p-126;
  static constexpr int kFractionBits = 23;
  static Codes nearest(const Pair<Isa>& x) { return Isa::narrow(x); }
  static Codes exact(const Pair<Isa>& x) { return Isa::narrow(x); }
  static Pair<Isa> values(const Codes& codes) { return Isa::widen(codes); }
  static void store(std::byte* out, std::size_t index, const Codes& codes) {
    Isa::store_f32(out + 4 * index, codes);
  }
};

/// Writes float64 values.
template <class Isa>
struct F64Output {
  static constexpr DType kType = DType::f64;
  using Codes = Pair<Isa>;
  static constexpr double kLargest = 0x1.fffffffffffffp1023;
  static Codes nearest(const Pair<Isa>& x) { return x; }
  static Pair<Isa> values(const Codes& codes) { return codes; }
  static void store(std::byte* out, std::size_t index, const Codes& codes) {
    Isa::store_f64(out + 8 * index, codes.low);
    Isa::store_f64(out + 8 * (index + 8), codes.high);
  }
};

/// Whether the format `Output` can represent every value of `Input`.
template <class Input, class Output>
inline constexpr bool kFits = Input::kType == Output::kType || Output::kType == DType::f64 ||
                              (Output::kType == DType::f32 && Input::kType != DType::f64);

}  // namespace expo::simd
