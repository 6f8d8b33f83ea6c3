#pragma once

namespace expo {

/// Replaces the process by `expo-engine`, the same program with the embedded engine in it, with the
/// same arguments. This program does not link libtorch, because loading it takes a quarter of a
/// second and 115 MB. Throws Error(environment) if `expo-engine` does not exist, as in a build
/// without libtorch.
[[noreturn]] void become_engine_program(const char* const* argv);

}  // namespace expo
