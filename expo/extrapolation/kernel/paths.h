#pragma once

#include <cstddef>
#include <cstdint>

#include "expo/extrapolation/kernel/equation_2.h"

// Shared by the kernel's dispatch (equation_2.cpp) and its paths; not for callers of the kernel.
// This header is also compiled with the flags of wider instruction sets, so it must not define
// functions: the linker could keep such a copy for the whole program.

namespace expo {

/// The number of partial sums of a run.
inline constexpr std::size_t kSumLanes = 8;

/// The partial sums of a run. In `counts`, only the counts are used; its own sums and `elements`
/// stay 0.
struct LaneSums {
  double theta_squared[kSumLanes] = {};
  double sft_squared[kSumLanes] = {};
  double theta_dot_sft[kSumLanes] = {};
  double delta_squared[kSumLanes] = {};
  double applied_dot_delta[kSumLanes] = {};
  DeltaSums counts;
};

/// Stochastic rounding uses one 32-bit draw for every element of a tensor: element e has word e / 8
/// mod 4 of block (e / 32)·8 + e mod 8 of RandomStream(seed, stream). In this order, eight
/// neighbouring elements have the same word of eight neighbouring blocks, which is how SIMD
/// computes them.
inline constexpr std::size_t kDrawGroup = 32;
/// The number of elements for which the buffer of draws is filled at once.
inline constexpr std::size_t kDrawRun = 512;
/// Room for a run of draws that begins and ends inside a group.
inline constexpr std::size_t kDrawBuffer = kDrawRun + 2 * kDrawGroup;

/// Processes the elements [begin, end) of the run one by one. This defines every result; the SIMD
/// paths use it for tails and for steps that hold anything but finite numbers. `draws` holds the
/// draws of [begin, end); it may be null unless the rounding is stochastic and the output narrower
/// than float64.
void extrapolate_elements(const KernelInput& input, std::size_t begin, std::size_t end,
                          const std::uint32_t* draws, LaneSums& sums);
void convert_elements(const std::byte* in, DType in_type, std::byte* out, DType out_type,
                      std::size_t begin, std::size_t end);

/// Process whole runs. The caller has checked the arguments, and that the processor has the
/// instructions.
void extrapolate_scalar(const KernelInput& input, LaneSums& sums);
void extrapolate_avx2(const KernelInput& input, LaneSums& sums);
void extrapolate_avx512(const KernelInput& input, LaneSums& sums);
void convert_avx2(const std::byte* in, DType in_type, std::byte* out, DType out_type,
                  std::size_t count);
void convert_avx512(const std::byte* in, DType in_type, std::byte* out, DType out_type,
                    std::size_t count);

}  // namespace expo
