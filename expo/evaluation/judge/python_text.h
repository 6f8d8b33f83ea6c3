#pragma once

#include <string_view>

namespace expo {

// What alpaca_eval leaves to Python, so that its prompts are the same here.

/// str.strip() of UTF-8 text: without the characters at its ends that str.isspace() is true of.
std::string_view python_stripped(std::string_view text);

/// random.Random(seed).choices([False, True], k=1)[0] for a seed that is text.
bool python_coin(std::string_view seed);

}  // namespace expo
