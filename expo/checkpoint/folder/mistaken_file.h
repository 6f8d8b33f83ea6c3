#pragma once

#include <optional>
#include <string_view>

namespace expo {

/// Says from its first bytes (512 are enough) what a file is instead of the weights that its name
/// promises, and the remedy: a Git LFS pointer, a web page, or weights of another format under the
/// wrong name. Returns std::nullopt if it is none of these.
std::optional<std::string_view> mistaken_file(std::string_view head);

}  // namespace expo
