#pragma once

#include <string>
#include <string_view>

namespace expo {

/// What a server says in the body of an error: the message of OpenAI's, FastAPI's and llama.cpp's
/// shapes, or else the beginning of the text; on one line and cut to a bound.
std::string server_words(std::string_view body);

}  // namespace expo
