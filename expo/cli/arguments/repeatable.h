#pragma once

namespace CLI {
class Option;
}

namespace expo {

/// Lets an option of a list be given again and again, each time with one word of this type.
void make_repeatable(CLI::Option* option, const char* type);

}  // namespace expo
