#include "expo/model/device.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "expo/core/device_word.h"
#include "expo/core/error.h"

namespace expo {
namespace {

/// Loads libtorch_cuda.so, which registers its kernels, from the folder of libtorch_cpu.so. PyTorch
/// looks for them only once, when it is first asked about CUDA. Returns the obstacle, or an empty
/// string if there is none.
std::string load_cuda() {
  // Without a driver there is no need to load a gigabyte of kernels.
  if (dlopen("libcuda.so.1", RTLD_LAZY) == nullptr)
    return "there is no NVIDIA driver (libcuda.so.1) on this machine";
  Dl_info library{};
  if (dladdr(reinterpret_cast<const void*>(&at::globalContext), &library) == 0 ||
      library.dli_fname == nullptr)
    return "the folder of libtorch_cpu.so cannot be found";
  const auto folder = std::filesystem::canonical(library.dli_fname).parent_path();
  const auto path = folder / "libtorch_cuda.so";
  if (!std::filesystem::exists(path))
    return fmt::format("{} does not exist: this PyTorch is built without CUDA", path.string());
  // Loaded by its absolute path and never closed: the kernels stay registered.
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    return fmt::format("{}; the CUDA libraries that PyTorch's wheel requires are not all installed",
                       dlerror());
  }
  return {};
}

/// The number of usable GPUs, or the reason why there are none.
struct Gpus {
  int count = 0;
  std::string obstacle;
};

Gpus find_gpus() {
  Gpus gpus{.count = 0, .obstacle = load_cuda()};
  if (!gpus.obstacle.empty()) return gpus;
  try {
    if (at::globalContext().hasCUDA()) gpus.count = at::detail::getCUDAHooks().deviceCount();
  } catch (const std::exception& error) {
    gpus.obstacle = error.what();
  }
  if (gpus.count <= 0 && gpus.obstacle.empty())
    gpus.obstacle = "no GPU is visible to CUDA (nvidia-smi lists those of the machine)";
  return gpus;
}

}  // namespace

c10::Device choose_device(const std::string& word, int first) {
  const DeviceWord asked = parse_device_word(word);
  if (!asked.may_be_gpu) return c10::Device(c10::kCPU);
  const Gpus gpus = find_gpus();
  const int wanted = asked.number.value_or(gpus.count == 1 ? 0 : first);
  if (wanted < gpus.count) return {c10::kCUDA, static_cast<c10::DeviceIndex>(wanted)};
  if (asked.may_be_cpu && gpus.count <= 0) return c10::Device(c10::kCPU);
  throw environment_error(
      fmt::format("--device {}: {}; --device cpu runs on the processor", word,
                  gpus.count > 0 ? fmt::format("there are {} GPUs, numbered from 0", gpus.count)
                                 : gpus.obstacle));
}

void make_repeatable(c10::Device device) {
  if (device.is_cpu()) return;
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
  at::globalContext().setDeterministicAlgorithms(true, false);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

}  // namespace expo
