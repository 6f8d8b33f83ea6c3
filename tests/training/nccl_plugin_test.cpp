// What can be asked of the plugin without a GPU: that it loads beside this libtorch, and says why
// it is of no use.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "expo/training/ranks/nccl_plugin.h"

namespace expo {
namespace {

TEST(NcclPlugin, LoadsAndSaysWhatStandsInItsWay) {
  const auto path = std::filesystem::path(EXPO_BINARY).parent_path() / kNcclPlugin;
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "built without EXPO_NCCL";
  if (::dlopen("libcuda.so.1", RTLD_LAZY) != nullptr) GTEST_SKIP() << "there is an NVIDIA driver";
  void* const library = ::dlopen(path.c_str(), RTLD_NOW);
  ASSERT_NE(library, nullptr) << ::dlerror();
  const auto make = reinterpret_cast<MakeNcclBackend>(::dlsym(library, kMakeNcclBackend));
  ASSERT_NE(make, nullptr);
  const auto store = c10::make_intrusive<c10d::HashStore>();
  std::array<char, 512> reason{};
  EXPECT_EQ(make(store.get(), 0, 1, 1000, reason.data(), reason.size()), nullptr);
  EXPECT_NE(std::string(reason.data()).find("GPU"), std::string::npos) << reason.data();
}

/// Beside this program it is not, and gloo serves.
TEST(NcclPlugin, IsLookedForBesideTheProgram) {
  EXPECT_FALSE(has_nccl_plugin());
}

}  // namespace
}  // namespace expo
