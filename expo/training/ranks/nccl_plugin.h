#pragma once

#include <c10/util/intrusive_ptr.h>

#include <chrono>

namespace c10d {
class Backend;
class Store;
}  // namespace c10d

namespace expo {

/// c10d's NCCL backend is in PyTorch's CUDA library, which `expo-engine` is not linked with,
/// because a machine without GPUs has no use for it. The code that uses it is in a separate library
/// beside the program, which is built if the headers of CUDA and NCCL are found
/// (cmake/nccl_plugin.cmake).
inline constexpr const char* kNcclPlugin = "libexpo-nccl.so";

/// The plugin's only function. Returns a c10d::Backend whose single reference passes to the caller,
/// or null after writing a reason of at most `size` bytes, including the terminating zero. Does not
/// throw.
using MakeNcclBackend = c10d::Backend* (*)(c10d::Store* store, int rank, int size,
                                           std::int64_t milliseconds, char* reason,
                                           std::size_t reason_size);
inline constexpr const char* kMakeNcclBackend = "expo_make_nccl_backend";

/// Whether the program was built with the plugin.
bool has_nccl_plugin();

/// Makes the NCCL backend between GPUs, if there is the plugin. The process must have loaded
/// PyTorch's CUDA library (choose_device). Throws Error(environment) with the reason if the plugin
/// cannot be used.
c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store,
                                                    int rank, int size,
                                                    std::chrono::milliseconds timeout);

}  // namespace expo
