#include "expo/cli/engine_program.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include "expo/core/error.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "expo-engine";
/// Tells `expo-engine` of which build the `expo` is that becomes it.
constexpr const char* kBuildVariable = "EXPO_BUILD_ID";

/// Finds the program beside `expo`, where the build leaves it, or where it is installed.
fs::path find_engine_program() {
  std::error_code failed;
  const fs::path folder = fs::read_symlink("/proc/self/exe", failed).parent_path();
  // An unknown folder would mean the current one, where anybody's program may lie.
  if (failed || !folder.is_absolute()) {
    throw environment_error(std::string("/proc/self/exe does not say where this program is, so ") +
                            kName + " cannot be found beside it; mount /proc, or run " + kName +
                            " with the same arguments");
  }
  for (const fs::path& candidate : {folder / kName, folder / EXPO_ENGINE_FOLDER / kName}) {
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  throw environment_error(std::string("this build of expo runs no models: ") + kName +
                          " was not found beside it; build it with libtorch (scripts/bootstrap "
                          "engine installs libtorch, "
                          "and CMake's option EXPO_TORCH must be ON)");
}

/// PyTorch's threads spin while they wait for each other, for so long that most of a processor is
/// lost to waiting when anything else runs. The limit must be set before the threads are created; a
/// user's own OMP_WAIT_POLICY or GOMP_SPINCOUNT is kept.
void wait_briefly() {
  if (::getenv("OMP_WAIT_POLICY") == nullptr) ::setenv("GOMP_SPINCOUNT", "3000", 0);
}

}  // namespace

void become_engine_program(const char* const* argv) {
  const fs::path program = find_engine_program();
  std::vector<char*> arguments;
  for (; *argv != nullptr; ++argv) arguments.push_back(const_cast<char*>(*argv));
  arguments.push_back(nullptr);
  wait_briefly();
  ::setenv(kBuildVariable, build_id(), 1);
  ::execv(program.c_str(), arguments.data());
  throw environment_error(program.string() + ": cannot be run (" + std::strerror(errno) + ")");
}

void refuse_other_build() {
  const char* variable = ::getenv(kBuildVariable);
  if (variable == nullptr) return;
  const std::string caller = variable;
  ::unsetenv(kBuildVariable);  // it is not about the programs that this one starts
  if (caller == build_id()) return;
  std::error_code failed;
  const fs::path self = fs::read_symlink("/proc/self/exe", failed);
  throw environment_error((failed ? kName : self.string()) +
                          ": was built from other sources than the expo that runs it (" +
                          build_id() + ", and expo from " + caller +
                          "); build both together with libtorch, or remove it to have an expo that "
                          "runs no models");
}

}  // namespace expo
