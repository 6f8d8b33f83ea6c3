#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// Open one file for reading or writing by system calls; posix_filesystem() returns these objects.
std::unique_ptr<ReadableFile> open_posix_file(const std::filesystem::path& path, Caching caching);
std::unique_ptr<WritableFile> create_posix_file(const std::filesystem::path& path, Caching caching);

/// "PATH: cannot DO (reason)" for an errno value, followed by the usual remedy if there is one.
std::string describe_failure(const std::filesystem::path& path, const char* action, int error);

}  // namespace expo
