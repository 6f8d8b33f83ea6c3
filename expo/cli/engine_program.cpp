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

/// Beside `expo`, as the build leaves it, or where it is installed.
fs::path find_engine_program() {
  std::error_code failed;
  const fs::path folder = fs::read_symlink("/proc/self/exe", failed).parent_path();
  // A folder that is not known would be the current one, where anybody's program may lie.
  if (failed || !folder.is_absolute()) {
    throw environment_error(
        std::string("/proc/self/exe does not say where this program lies, beside which ") + kName +
        " is looked for; mount /proc, or run " + kName + " itself with the same arguments");
  }
  for (const fs::path& candidate : {folder / kName, folder / EXPO_ENGINE_FOLDER / kName}) {
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  throw environment_error(
      std::string("this build of expo runs no models: ") + kName +
      " is not there; build it where libtorch is (scripts/bootstrap test gets it, and CMake's "
      "option EXPO_TORCH must be ON)");
}

/// PyTorch's threads wait for each other by spinning, for so long that beside any other work most
/// of a processor goes into waiting. This has to be said before they are; whoever has said
/// otherwise is heard.
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
  ::execv(program.c_str(), arguments.data());
  throw environment_error(program.string() + ": cannot be run (" + std::strerror(errno) + ")");
}

}  // namespace expo
