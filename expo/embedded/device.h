#pragma once

#include <string>

namespace c10 {
struct Device;
}

namespace expo {

/// The device of a word: "cpu", "cuda" (the first GPU), "cuda:N", or "auto": the first GPU where
/// there is a usable one, else the processor. Unless the word is "cpu", PyTorch's CUDA library is
/// loaded here, which only helps before anything else of PyTorch is called. Throws Error(usage) for
/// another word, Error(environment) where a GPU is asked for and cannot be used, saying why.
c10::Device choose_device(const std::string& word);

}  // namespace expo
