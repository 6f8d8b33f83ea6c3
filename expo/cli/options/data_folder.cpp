#include "expo/cli/options/data_folder.h"

#include <system_error>

#include "expo/core/error.h"

namespace expo {

namespace fs = std::filesystem;

fs::path shipped_data_folder(const std::string& name) {
  std::error_code failed;
  const fs::path program = fs::read_symlink("/proc/self/exe", failed).parent_path();
  // An unknown folder would mean the current one, where anybody's files may lie.
  if (failed || !program.is_absolute()) {
    throw environment_error(
        "/proc/self/exe does not say where this program is, so its data cannot be found; mount "
        "/proc");
  }
  for (const char* data : {"data", EXPO_DATA_FOLDER, EXPO_ENGINE_DATA_FOLDER}) {
    std::error_code unreadable;
    fs::path candidate = (program / data / name).lexically_normal();
    if (fs::is_directory(candidate, unreadable)) return candidate;
  }
  throw environment_error((program / EXPO_DATA_FOLDER / name).lexically_normal().string() +
                          ": this folder, which ships with expo, is not there; install expo again");
}

}  // namespace expo
