#pragma once

#include <string>
#include <vector>

#include "expo/text/prompts.h"

namespace expo {

/// The texts by which a search tells prompts apart and splits them: what a user's only turn says,
/// or the whole conversation as JSON, in which content in parts is text and no key is null. So
/// prompts that say the same in another shape have equal texts.
std::vector<std::string> split_texts(const std::vector<Prompt>& prompts);

/// Throws Error(input) naming both places if two prompts have equal texts, or if `repeated` rows
/// were left out as they repeat an earlier one: a prompt that counts twice would make the intervals
/// too narrow.
void check_distinct(const std::vector<Prompt>& prompts, const std::vector<std::string>& texts,
                    std::size_t repeated, const std::string& data);

/// A digest of all columns of the prompts' rows, which a program that scores answers may read.
std::string columns_digest(const std::vector<Prompt>& prompts);

}  // namespace expo
