#pragma once

#include <cstddef>
#include <string>

namespace expo {

/// UTF-8 text fit for a message: at most `bytes` of it, in whole characters, and "…" for what is
/// left out.
std::string cut_to(std::string text, std::size_t bytes);

}  // namespace expo
