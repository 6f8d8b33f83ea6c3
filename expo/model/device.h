#pragma once

#include <string>

namespace c10 {
struct Device;
}

namespace expo {

/// The device that a word names: "cpu", "cuda" (GPU number `first`, or the only visible one),
/// "cuda:N", or "auto", which is "cuda" if there are usable GPUs and else the processor. `first` is
/// the rank of a process among those that share a machine's GPUs. Unless the word is "cpu",
/// PyTorch's CUDA library is loaded here, which has an effect only before anything else of PyTorch
/// is called. Throws Error(usage) for any other word, and Error(environment), saying why, if a GPU
/// is asked for and cannot be used.
c10::Device choose_device(const std::string& word, int first = 0);

/// Makes a GPU add up sums in the same order every time. It must be called before the first sum and
/// before NCCL is asked for anything. From then on, an operator that has no fixed order throws. It
/// changes nothing for the processor.
void make_repeatable(c10::Device device);

}  // namespace expo
