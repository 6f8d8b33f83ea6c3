#pragma once

#include <string>
#include <string_view>

#include "expo/http/api_key.h"

namespace expo {

/// What a server says in the body of an error: the message of OpenAI's, FastAPI's and llama.cpp's
/// shapes, or else the beginning of the text; without the key, on one line and cut to a bound.
std::string server_words(std::string_view body, const ApiKey& key);
/// A text of the server on one line and cut to that bound.
std::string cut_words(std::string text);

}  // namespace expo
