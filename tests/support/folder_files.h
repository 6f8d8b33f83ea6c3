#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// The contents of all files below a folder, by their relative paths; empty folders do not appear.
using FolderFiles = std::map<std::string, std::string>;

/// The files of a folder; none if it does not exist. Follows links, except dangling ones.
FolderFiles files_in(Filesystem& filesystem, const std::filesystem::path& folder);

/// Writes the files, and creates the folders that they need.
void write_files(Filesystem& filesystem, const std::filesystem::path& folder,
                 const FolderFiles& files);

/// For EXPECT_TRUE: on failure it names the files that differ, without their bytes.
testing::AssertionResult same_files(const FolderFiles& found, const FolderFiles& expected);

}  // namespace expo
