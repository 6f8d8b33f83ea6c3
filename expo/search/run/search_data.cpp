#include "expo/search/run/search_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <unordered_set>

#include "expo/core/text.h"
#include "expo/engine/conversations.h"
#include "expo/search/run/development_prompts.h"
#include "expo/search/run/search_run.h"

namespace expo {
namespace {

using Count = std::optional<std::vector<std::size_t>> (Engine::*)(std::span<const Conversation>);

/// The rows, of `each` conversations, that fit every engine with `reserve` more tokens, by number;
/// what does not fit is told of in the warnings.
std::vector<std::size_t> fitting_all(std::span<const Conversation> conversations, std::size_t each,
                                     std::span<Engine* const> engines, Count count,
                                     std::size_t reserve, SearchData& data, bool skip) {
  const std::size_t rows = conversations.size() / each;
  std::vector<std::size_t> fits(rows, 0);  // counts conversations and engines
  for (Engine* engine : engines) {
    const Fitting found = choose_fitting(conversations, (engine->*count)(conversations),
                                         engine->describe().context, reserve, skip);
    std::vector<std::size_t> here(rows, 0);
    for (const std::size_t index : found.kept) ++here[index / each];
    const auto whole = static_cast<std::size_t>(std::ranges::count(here, each));
    std::ranges::move(describe_skipped(found, rows - whole), std::back_inserter(data.warnings));
    for (std::size_t row = 0; row < rows; ++row) fits[row] += here[row];
  }
  std::vector<std::size_t> fitting;
  for (std::size_t row = 0; row < rows; ++row) {
    if (fits[row] == each * engines.size()) fitting.push_back(row);
  }
  return fitting;
}

/// The prompts as they are asked, with the system turn, but without their rows.
std::vector<Prompt> asked_prompts(const std::vector<Prompt>& prompts, const std::string& system) {
  std::vector<Prompt> result;
  for (const Prompt& prompt : prompts)
    result.push_back({prompt.id, with_system(prompt.chat, system), Json(), prompt.place});
  return result;
}

void take_prompts(SearchData& data, std::span<Engine* const> engines,
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
  for (const std::size_t index : fitting_all(conversations, 1, engines, &Engine::count_tokens, 1,
                                             data, options.skip_too_long)) {
    data.prompts.push_back(std::move(prompts[index]));
    kept.push_back(std::move(conversations[index]));
    kept_texts.push_back(texts[index]);
  }
  data.digest = digest_of(kept);
  data.split = split_prompts(kept_texts);
}

/// Removes pairs whose prompt, as it is asked, is that of an earlier one, and tells of it.
void drop_repeated_prompts(SearchData& data, const std::string& system) {
  std::vector<Prompt> prompts;
  for (const Preference& pair : data.pairs)
    prompts.push_back({pair.id, pair.prompt, Json(), pair.place});
  const std::vector<std::string> asked = split_texts(asked_prompts(prompts, system));
  std::unordered_set<std::string_view> seen;
  std::vector<Preference> kept;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (seen.insert(asked[i]).second) kept.push_back(std::move(data.pairs[i]));
  }
  const std::size_t left_out = asked.size() - kept.size();
  data.pairs = std::move(kept);
  if (left_out == 0) return;
  data.warnings.push_back(fmt::format("{} left out, as an earlier pair has the same prompt",
                                      counted(left_out, "pair")));
}

void take_pairs(SearchData& data, std::span<Engine* const> engines,
                const SearchDataOptions& options) {
  drop_repeated_prompts(data, options.system);
  std::vector<Prompt> prompts;  // as they are split, without the system turn
  std::vector<Conversation> conversations;
  for (Preference& pair : data.pairs) {
    prompts.push_back({pair.id, pair.prompt, Json(), pair.place});
    pair.prompt = with_system(pair.prompt, options.system);
    for (const Json* answer : {&pair.chosen, &pair.rejected})
      conversations.push_back({pair.with(*answer), pair.id, pair.place});
  }
  std::vector<Preference> pairs;
  std::vector<Prompt> kept_prompts;
  std::vector<Conversation> kept;
  for (const std::size_t index :
       fitting_all(conversations, 2, engines, &Engine::count_log_prob_tokens, 0, data,
                   options.skip_too_long)) {
    pairs.push_back(std::move(data.pairs[index]));
    kept_prompts.push_back(std::move(prompts[index]));
    for (const std::size_t side : {0, 1})
      kept.push_back(std::move(conversations[2 * index + side]));
  }
  data.pairs = std::move(pairs);
  data.digest = digest_of(kept);
  data.split = split_prompts(split_texts(kept_prompts));
}

}  // namespace

SearchData read_search_prompts(RowReader& rows, const Columns& columns,
                               const SearchDataOptions& options) {
  SearchData data;
  std::size_t repeated = 0;
  data.prompts = read_prompts(rows, columns, &repeated);
  data.warnings = row_warnings(rows);
  check_distinct(data.prompts, split_texts(asked_prompts(data.prompts, options.system)), repeated,
                 options.data);
  return data;
}

SearchData read_search_pairs(RowReader& rows, const Columns& columns) {
  SearchData data;
  for (Json row; rows.next(row);) data.pairs.push_back(read_preference(row, rows.place(), columns));
  data.warnings = row_warnings(rows);
  return data;
}

void take_fitting(SearchData& data, std::span<Engine* const> engines,
                  const SearchDataOptions& options) {
  if (data.pairs.empty()) {
    take_prompts(data, engines, options);
  } else {
    take_pairs(data, engines, options);
  }
  check_parts(data.split, options.data);
}

}  // namespace expo
