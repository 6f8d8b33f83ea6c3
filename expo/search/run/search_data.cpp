#include "expo/search/run/search_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "expo/core/text.h"
#include "expo/engine/conversations.h"
#include "expo/search/run/development_prompts.h"
#include "expo/search/run/search_run.h"

namespace expo {
namespace {

/// The prompts that fit every engine, by number; what does not fit is told of in the warnings.
std::vector<std::size_t> fitting_all(std::span<const Conversation> conversations,
                                     std::span<Engine* const> engines, bool skip,
                                     std::vector<std::string>& warnings) {
  std::vector<std::size_t> fitting(conversations.size());
  for (std::size_t i = 0; i < fitting.size(); ++i) fitting[i] = i;
  for (Engine* engine : engines) {
    const Fitting found = choose_fitting(conversations, engine->count_tokens(conversations),
                                         engine->describe().context, 1, skip);
    std::ranges::move(describe_skipped(found, found.skipped.size()), std::back_inserter(warnings));
    std::vector<std::size_t> both;
    std::ranges::set_intersection(fitting, found.kept, std::back_inserter(both));
    fitting = std::move(both);
  }
  return fitting;
}

}  // namespace

SearchData read_search_prompts(RowReader& rows, const Columns& columns,
                               const SearchDataOptions& options) {
  SearchData data;
  std::size_t repeated = 0;
  data.prompts = read_prompts(rows, columns, &repeated);
  data.warnings = row_warnings(rows);
  check_distinct(data.prompts, split_texts(data.prompts), repeated, options.data);
  return data;
}

void take_fitting(SearchData& data, std::span<Engine* const> engines,
                  const SearchDataOptions& options) {
  std::vector<Prompt> prompts = std::move(data.prompts);
  const std::vector<std::string> texts = split_texts(prompts);
  std::vector<Conversation> conversations;
  for (Prompt& prompt : prompts) {
    prompt.chat = with_system(prompt.chat, options.system);
    conversations.push_back({prompt.chat, prompt.id, prompt.place});
  }
  data.prompts.clear();
  std::vector<Conversation> kept;
  std::vector<std::string> kept_texts;
  for (const std::size_t index :
       fitting_all(conversations, engines, options.skip_too_long, data.warnings)) {
    data.prompts.push_back(std::move(prompts[index]));
    kept.push_back(std::move(conversations[index]));
    kept_texts.push_back(texts[index]);
  }
  data.digest = digest_of(kept);
  data.split = split_prompts(kept_texts);
  check_parts(data.split, options.data);
}

SearchData read_search_pairs(RowReader& rows, const Columns& columns,
                             const SearchDataOptions& options) {
  SearchData data;
  for (Json row; rows.next(row);) data.pairs.push_back(read_preference(row, rows.place(), columns));
  data.warnings = row_warnings(rows);
  std::vector<Prompt> prompts;
  std::vector<Conversation> conversations;
  for (Preference& pair : data.pairs) {
    prompts.push_back({pair.id, pair.prompt, Json(), pair.place});
    pair.prompt = with_system(pair.prompt, options.system);
    for (const Json* answer : {&pair.chosen, &pair.rejected})
      conversations.push_back({pair.with(*answer), pair.id, pair.place});
  }
  data.digest = digest_of(conversations);
  data.split = split_prompts(split_texts(prompts));
  check_parts(data.split, options.data);
  if (data.split.duplicates > 0) {
    data.warnings.push_back(fmt::format("{} left out, as an earlier pair has the same prompt",
                                        counted(data.split.duplicates, "pair")));
  }
  return data;
}

}  // namespace expo
