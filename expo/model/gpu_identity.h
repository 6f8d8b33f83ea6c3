#pragma once

#include <string>

namespace expo {

/// What the driver reports about a GPU.
struct GpuIdentity {
  std::string name;    ///< "NVIDIA H200"
  int capability = 0;  ///< the compute capability's major number
  std::string uuid;    ///< hexadecimal; tells processes whether they use the same GPU
};

/// Identifies the GPU that has this number in CUDA, as this process sees them; all fields are empty
/// if the driver does not answer.
GpuIdentity identify_gpu(int number);

}  // namespace expo
