#pragma once

#include <c10/util/intrusive_ptr.h>

#include <chrono>

namespace c10d {
class Backend;
class Store;
}  // namespace c10d

namespace expo {

/// c10d's NCCL is in PyTorch's CUDA library, which `expo-engine` is not linked with: a machine
/// without GPUs has no use for it. What talks to it is a library of its own beside the program,
/// built where the headers of CUDA and NCCL are (cmake/nccl_plugin.cmake).
inline constexpr const char* kNcclPlugin = "libexpo-nccl.so";

/// The plugin's only function. Returns a c10d::Backend whose one reference the caller takes over,
/// or null after writing a reason of at most `size` bytes, its zero included. Throws nothing.
using MakeNcclBackend = c10d::Backend* (*)(c10d::Store* store, int rank, int size,
                                           std::int64_t milliseconds, char* reason,
                                           std::size_t reason_size);
inline constexpr const char* kMakeNcclBackend = "expo_make_nccl_backend";

/// Whether the program was built with the plugin.
bool has_nccl_plugin();

/// NCCL's backend between GPUs, where there is the plugin. The process has loaded PyTorch's CUDA
/// library (choose_device). Throws Error(environment) where the plugin cannot be used, saying why.
c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store,
                                                    int rank, int size,
                                                    std::chrono::milliseconds timeout);

}  // namespace expo
