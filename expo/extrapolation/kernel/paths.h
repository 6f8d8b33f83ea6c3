#pragma once

#include <cstddef>
#include <cstdint>

#include "expo/extrapolation/kernel/equation_2.h"

// What the kernel's dispatch (equation_2.cpp) and its paths share; not for callers of the kernel.
// This header is also compiled with the flags of wider instruction sets: it must not define
// functions that the linker could pick for everybody.

namespace expo {

inline constexpr std::size_t kSumLanes = 8;

/// The partial sums of a run. `counts` leaves its own sums at 0, and `elements` too.
struct LaneSums {
  double theta_squared[kSumLanes] = {};
  double sft_squared[kSumLanes] = {};
  double theta_dot_sft[kSumLanes] = {};
  double delta_squared[kSumLanes] = {};
  double applied_dot_delta[kSumLanes] = {};
  DeltaSums counts;
};

/// Stochastic rounding takes one 32-bit draw for every element of a tensor: element e has word
/// e / 8 mod 4 of block (e / 32)·8 + e mod 8 of RandomStream(seed, stream). In this order eight
/// neighbouring elements have the same word of eight neighbouring blocks, as SIMD makes them.
inline constexpr std::size_t kDrawGroup = 32;
/// Elements that share one filling of the buffer of draws.
inline constexpr std::size_t kDrawRun = 512;
/// Room for a run of draws that begins inside a group, and ends inside one.
inline constexpr std::size_t kDrawBuffer = kDrawRun + 2 * kDrawGroup;

/// Elements [begin, end) of the run, one by one: the definition of every result, and the way of the
/// SIMD paths for tails and for whatever is not plainly finite. `draws` holds those of [begin,
/// end); it may be null unless the rounding is stochastic and the output narrower than float64.
void extrapolate_elements(const KernelInput& input, std::size_t begin, std::size_t end,
                          const std::uint32_t* draws, LaneSums& sums);
void convert_elements(const std::byte* in, DType in_type, std::byte* out, DType out_type,
                      std::size_t begin, std::size_t end);

/// Whole runs. Arguments were checked; the processor has the instructions.
void extrapolate_scalar(const KernelInput& input, LaneSums& sums);
void extrapolate_avx2(const KernelInput& input, LaneSums& sums);
void extrapolate_avx512(const KernelInput& input, LaneSums& sums);
void convert_avx2(const std::byte* in, DType in_type, std::byte* out, DType out_type,
                  std::size_t count);
void convert_avx512(const std::byte* in, DType in_type, std::byte* out, DType out_type,
                    std::size_t count);

}  // namespace expo
