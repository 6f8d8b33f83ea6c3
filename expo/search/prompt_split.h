#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace expo {

/// The prompts of a search, by number. A prompt that occurs several times stands here once, with
/// its first number, as copies are not independent.
struct PromptSplit {
  std::vector<std::size_t> choosing;
  std::vector<std::size_t> confirming;
  std::size_t duplicates = 0;  ///< prompts that are left out, as an equal one stands here
};

/// Splits prompts by a hash (XXH3, 64 bits) of their texts only. So a prompt stays in its part
/// whatever other prompts there are, in whichever order, and all its copies and samples are in one
/// part. Within a part, prompts are in the order of another hash: any beginning of it is a random
/// choice, and prompts that are added later do not change the order of the others. The choosing
/// part receives `choosing_share` of the prompts in expectation. Throws Error(usage) unless the
/// share lies between 0 and 1, exclusively.
PromptSplit split_prompts(std::span<const std::string> texts, double choosing_share = 0.5);

}  // namespace expo
