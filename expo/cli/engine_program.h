#pragma once

namespace expo {

/// Goes on as `expo-engine`, the same program with the embedded engine in it, under the same
/// arguments: this one links no libtorch, which takes 0.1 s and tens of megabytes to start with.
/// Throws Error(environment) where that program is not there, as in a build without libtorch.
[[noreturn]] void become_engine_program(const char* const* argv);

}  // namespace expo
