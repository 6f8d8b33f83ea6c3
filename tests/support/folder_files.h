#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// The contents of all files below a folder, by their relative paths; folders without any do not
/// show.
using FolderFiles = std::map<std::string, std::string>;

/// Nothing where there is no such folder. Follows links, but for those to nothing.
FolderFiles files_in(Filesystem& filesystem, const std::filesystem::path& folder);

/// Writes them, the folders that they need too.
void write_files(Filesystem& filesystem, const std::filesystem::path& folder,
                 const FolderFiles& files);

/// For EXPECT_TRUE: names the files that differ, without their bytes.
testing::AssertionResult same_files(const FolderFiles& found, const FolderFiles& expected);

}  // namespace expo
