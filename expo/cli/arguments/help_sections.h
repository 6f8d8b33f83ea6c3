#pragma once

/// The sections of a command's --help. They appear in the order in which a command declares them:
/// the order below.
namespace expo::help_section {

inline constexpr const char* kModel = "Model";
inline constexpr const char* kServer = "Server";
inline constexpr const char* kInputAndOutput = "Input and output";
inline constexpr const char* kSearch = "Search";
inline constexpr const char* kJudge = "Judge";
inline constexpr const char* kExtrapolation = "Extrapolation";
inline constexpr const char* kLengthControl = "Length control";
inline constexpr const char* kSampling = "Sampling";
inline constexpr const char* kMachine = "Machine";

}  // namespace expo::help_section
