#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "expo/core/disk/filesystem.h"
#include "expo/evaluation/annotations.h"

namespace expo {

// The readers that read_annotations() chooses from. They return the rows in the file's order, which
// read_annotations() then sorts and checks.

Annotations read_annotation_table(Filesystem& filesystem, const std::filesystem::path& path);
Annotations read_annotation_rows(Filesystem& filesystem, const std::filesystem::path& path);

/// What a number in the place of a preference means (annotations.h); NaN and std::nullopt are
/// failures. Throws Error(input) that names the place for a number that means nothing.
std::optional<double> preference_of(std::optional<double> number, const std::string& place);

}  // namespace expo
