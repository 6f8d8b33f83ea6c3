// A separate library, which the room `training` loads if there are GPUs (nccl_plugin.h).
#include <cstring>
#include <exception>
#include <string>

// The header requires the macro with which libtorch was built.
#define USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "expo/training/ranks/nccl_plugin.h"

namespace {

/// The versions must match because PyTorch's structures contain those of NCCL, which change from
/// version to version.
std::string version_of_headers() {
  return std::to_string(NCCL_MAJOR) + "." + std::to_string(NCCL_MINOR) + ".";
}

void say(const char* what, char* reason, std::size_t size) {
  std::strncpy(reason, what, size - 1);
  reason[size - 1] = '\0';
  if (char* const line = std::strchr(reason, '\n')) *line = '\0';
}

}  // namespace

extern "C" __attribute__((visibility("default"))) c10d::Backend* expo_make_nccl_backend(
    c10d::Store* store, int rank, int size, std::int64_t milliseconds, char* reason,
    std::size_t reason_size) {
  try {
    const std::string here = version_of_headers();
    if (const std::string loaded = c10d::getNcclVersion(); !loaded.starts_with(here)) {
      say(("built with NCCL " + here + ", but PyTorch runs " + loaded).c_str(), reason,
          reason_size);
      return nullptr;
    }
    auto options = c10d::ProcessGroupNCCL::Options::create();
    options->timeout = std::chrono::milliseconds(milliseconds);
    auto group = c10::make_intrusive<c10d::ProcessGroupNCCL>(
        c10::intrusive_ptr<c10d::Store>::reclaim_copy(store), rank, size, options);
    return group.release();
  } catch (const std::exception& error) {
    say(error.what(), reason, reason_size);
    return nullptr;
  }
}
