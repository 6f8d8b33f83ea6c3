#pragma once

#include <string>

namespace c10 {
struct Device;
}

namespace expo {

/// The device of a word: "cpu", "cuda" (the GPU number `first`, or the only one that is visible),
/// "cuda:N", or "auto": as "cuda" where there are usable GPUs, else the processor. `first` is the
/// place of a process among those that share a machine's GPUs. Unless the word is "cpu", PyTorch's
/// CUDA library is loaded here, which only helps before anything else of PyTorch is called. Throws
/// Error(usage) for another word, Error(environment) where a GPU is asked for and cannot be used,
/// saying why.
c10::Device choose_device(const std::string& word, int first = 0);

/// On a GPU, sums are added in the same order every time only where that is asked for, before the
/// first of them and before NCCL is asked for anything. An operator that cannot do so throws from
/// then on. For the processor nothing changes.
void make_repeatable(c10::Device device);

}  // namespace expo
