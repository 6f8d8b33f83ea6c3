#include "expo/training/ranks/nccl_plugin.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <array>
#include <filesystem>

#include "expo/core/error.h"

namespace expo {
namespace {

std::filesystem::path beside_program(const char* name) {
  return std::filesystem::canonical("/proc/self/exe").parent_path() / name;
}

}  // namespace

bool has_nccl_plugin() {
  return std::filesystem::exists(beside_program(kNcclPlugin));
}

c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store,
                                                    int rank, int size,
                                                    std::chrono::milliseconds timeout) {
  const auto path = beside_program(kNcclPlugin);
  void* const library = ::dlopen(path.c_str(), RTLD_NOW);
  if (library == nullptr)
    throw environment_error(fmt::format("{} cannot be loaded: {}", path.string(), ::dlerror()));
  const auto make = reinterpret_cast<MakeNcclBackend>(::dlsym(library, kMakeNcclBackend));
  if (make == nullptr)
    throw environment_error(fmt::format("{} does not belong to this build of expo", path.string()));
  std::array<char, 512> reason{};
  c10d::Backend* const backend =
      make(store.get(), rank, size, timeout.count(), reason.data(), reason.size());
  if (backend == nullptr)
    throw environment_error(fmt::format("NCCL cannot be used: {}", reason.data()));
  return c10::intrusive_ptr<c10d::Backend>::reclaim(backend);
}

}  // namespace expo
