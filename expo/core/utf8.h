#pragma once

#include <string_view>

namespace expo {

/// Whether the bytes are UTF-8 according to RFC 3629: no overlong forms, no surrogates, nothing
/// beyond U+10FFFF.
bool valid_utf8(std::string_view bytes) noexcept;

}  // namespace expo
