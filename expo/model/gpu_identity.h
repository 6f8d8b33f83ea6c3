#pragma once

#include <string>

namespace expo {

/// What the driver says of a GPU.
struct GpuIdentity {
  std::string name;    ///< "NVIDIA H200"
  int capability = 0;  ///< the compute capability's major number
  std::string uuid;    ///< by which processes tell whether they mean the same one, in hexadecimal
};

/// Of the GPU that CUDA numbers so, as this process sees them; empty where the driver does not say.
GpuIdentity identify_gpu(int number);

}  // namespace expo
