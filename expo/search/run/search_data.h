#pragma once

#include <span>
#include <string>
#include <vector>

#include "expo/engine/engine.h"
#include "expo/search/prompt_split.h"
#include "expo/text/preferences.h"
#include "expo/text/prompts.h"
#include "expo/text/row_reader.h"

namespace expo {

/// What a search asks its candidates: prompts, or preference pairs instead.
struct SearchData {
  std::vector<Prompt> prompts;  ///< no two alike
  std::vector<Preference> pairs;
  PromptSplit split;   ///< of either
  std::string digest;  ///< of the conversations, as digest_of() gives it
  std::vector<std::string> warnings;
};

/// How the data of a search are used.
struct SearchDataOptions {
  std::string data;  ///< its name in messages
  std::string system;
  bool skip_too_long = false;
};

/// Reads development prompts, which take_fitting() is still to split. Throws Error(input) for two
/// that are alike once the system turn is added, and what read_prompts() throws.
SearchData read_search_prompts(RowReader& rows, const Columns& columns,
                               const SearchDataOptions& options);

/// Adds the system turn to the prompts, or to the pairs, and splits those that fit all engines; a
/// pair has to fit with both answers. Of several pairs with one prompt the first one counts, as the
/// others would not be independent. The split depends on
/// the prompts' own texts only, whatever the system turn says. Throws Error(input) for prompts that
/// do not fit (unless they are to be skipped), and for parts too small for any claim.
void take_fitting(SearchData& data, std::span<Engine* const> engines,
                  const SearchDataOptions& options);

/// Reads preference pairs, which take_fitting() is still to split.
SearchData read_search_pairs(RowReader& rows, const Columns& columns);

}  // namespace expo
