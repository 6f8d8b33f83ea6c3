#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// The files that the words of a shell command name, each once, in their order: what stands behind
/// quotes, `~`, `$NAME`, `NAME=value`, `--option=value`, `cd FOLDER &&` and `python -m MODULE` is
/// found. Words that only a shell can tell (a pattern, the output of a command) are not, nor are
/// programs that are looked for in PATH. Files that the command writes to (`> FILE`) do not count.
std::vector<std::filesystem::path> files_of_command(Filesystem& filesystem,
                                                    std::string_view command);

/// Whether the name is that of a program that runs other programs, such as python3 or sh.
bool is_interpreter(const std::filesystem::path& file);

}  // namespace expo
