#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// Reading and writing of one file by system calls; what posix_filesystem() hands out.
std::unique_ptr<ReadableFile> open_posix_file(const std::filesystem::path& path, Caching caching);
std::unique_ptr<WritableFile> create_posix_file(const std::filesystem::path& path, Caching caching);

/// "PATH: cannot DO (reason)" for an errno value, with a remedy where there is a usual one.
std::string describe_failure(const std::filesystem::path& path, const char* action, int error);

}  // namespace expo
