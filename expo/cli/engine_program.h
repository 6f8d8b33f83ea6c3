#pragma once

namespace expo {

/// Replaces the process by `expo-engine`, the same program with the embedded engine in it, with the
/// same arguments. This program does not link libtorch, because loading it takes a quarter of a
/// second and 115 MB. Throws Error(environment) if `expo-engine` does not exist, as in a build
/// without libtorch.
[[noreturn]] void become_engine_program(const char* const* argv);

/// To be called by `expo-engine` when it starts. Throws Error(environment) if `expo` has become it
/// but was built from other sources, as where a build without libtorch stands beside a program that
/// an earlier one has left: it would run what that one did, under the name of this one.
void refuse_other_build();

/// A digest of the sources that this program was built from, by cmake/build_id.cmake.
const char* build_id();

}  // namespace expo
