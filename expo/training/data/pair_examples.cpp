#include <algorithm>

#include "expo/text/preferences.h"
#include "expo/text/unwritten_keys.h"
#include "expo/training/data/example_reading.h"
#include "expo/training/data/example_set.h"

namespace expo {
namespace {

using Ids = std::vector<TokenId>;
using Omission = ReadExample::Omission;

/// A pair's texts as tokens, prompts included.
struct PairIds {
  Ids prompt;  ///< ends with what opens the assistant's turn
  Ids chosen;
  Ids rejected;
};

std::size_t common_prefix(const Ids& a, const Ids& b) {
  const auto [end, _] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<std::size_t>(end - a.begin());
}

Ids encode(const ChatTokenizer& tokenizer, const Chat& chat, bool add_generation_prompt) {
  ChatOptions options;
  options.add_generation_prompt = add_generation_prompt;
  return tokenizer.encode(chat, options);
}

ReadRow row_of(const Ids& ids, std::size_t begin, std::size_t end, std::size_t answer) {
  ReadRow row;
  row.ids.assign(ids.begin() + static_cast<std::ptrdiff_t>(begin),
                 ids.begin() + static_cast<std::ptrdiff_t>(end));
  row.counts.assign(row.ids.size(), false);
  for (std::size_t i = answer; i < end; ++i) row.counts[i - begin] = true;
  return row;
}

ReadExample preference_example(const PairIds& pair, const ExampleOptions& options) {
  // The template may render the end of a prompt differently once an answer follows.
  const std::size_t shared =
      std::min(common_prefix(pair.prompt, pair.chosen), common_prefix(pair.prompt, pair.rejected));
  const auto length = static_cast<std::size_t>(options.max_length);
  const auto prompt_length = static_cast<std::size_t>(options.max_prompt_length);
  ReadExample result;
  std::size_t dropped = 0;
  if (std::max(pair.chosen.size(), pair.rejected.size()) > length && shared > prompt_length) {
    dropped = shared - prompt_length;
    result.prompt_cut = true;
  }
  std::vector<ReadRow>& rows = result.rows;
  for (const Ids* ids : {&pair.chosen, &pair.rejected}) {
    const std::size_t end = std::min(ids->size(), dropped + length);
    result.answer_cut = result.answer_cut || end < ids->size();
    rows.push_back(row_of(*ids, dropped, end, shared));
  }
  const std::size_t first = shared - dropped;
  const auto is_cut_off = [&](const ReadRow& row) {
    return row.ids.size() <= std::max<std::size_t>(first, 1);
  };
  if (rows[0].ids == rows[1].ids) {
    result.omission = Omission::same_answers;
  } else if (std::ranges::any_of(rows, is_cut_off)) {
    result.omission = Omission::without_answer;
  }
  return result;
}

ReadExample reward_example(const PairIds& pair, const ExampleOptions& options) {
  const auto length = static_cast<std::size_t>(options.max_length);
  if (std::max(pair.chosen.size(), pair.rejected.size()) > length)
    return ReadExample::left_out(Omission::too_long);
  ReadExample result;
  for (const Ids* ids : {&pair.chosen, &pair.rejected})
    result.rows.push_back(row_of(*ids, 0, ids->size(), 0));
  return result;
}

/// The keys of an answer that the template does not write, if it has others to say; the row is
/// refused if it has not.
void check_written(const ChatTokenizer& tokenizer, const Preference& pair, ReadExample& example) {
  for (const Json* answer : {&pair.chosen, &pair.rejected}) {
    if (keys_beside_content(*answer).empty()) continue;
    const Chat chat = pair.with(*answer);
    ChatOptions options;
    options.add_generation_prompt = false;
    const PreparedChat prepared = tokenizer.prepare(chat, options);
    const std::string text = prepared.render(false).text;
    const std::size_t last = chat.messages.size() - 1;
    refuse_unwritten(prepared, text, chat.messages, last);
    for (const std::string& key : unwritten_keys(prepared, text, chat.messages, last))
      if (std::ranges::find(example.unwritten, key) == example.unwritten.end())
        example.unwritten.push_back(key);
  }
}

using MakePair = ReadExample (*)(const PairIds&, const ExampleOptions&);

ExampleSet read(const RowSource& source, const ChatTokenizer& tokenizer,
                const ExampleOptions& options, const CancellationToken& cancellation,
                MakePair make) {
  const auto example = [&](const Json& json, const std::string& place) {
    const Preference pair = read_preference(json, place, options.columns);
    if (pair.chosen == pair.rejected) return ReadExample::left_out(Omission::same_answers);
    const PairIds ids{encode(tokenizer, pair.prompt, true),
                      encode(tokenizer, pair.with(pair.chosen), false),
                      encode(tokenizer, pair.with(pair.rejected), false)};
    if (ids.chosen == ids.rejected) return ReadExample::left_out(Omission::same_answers);
    ReadExample result = make(ids, options);
    check_written(tokenizer, pair, result);
    return result;
  };
  return read_examples(source, tokenizer.tokenizer(), options, example, cancellation);
}

}  // namespace

ExampleSet read_pairs(const RowSource& source, const ChatTokenizer& tokenizer,
                      const ExampleOptions& options, const CancellationToken& cancellation) {
  return read(source, tokenizer, options, cancellation, preference_example);
}

ExampleSet read_reward_pairs(const RowSource& source, const ChatTokenizer& tokenizer,
                             const ExampleOptions& options, const CancellationToken& cancellation) {
  return read(source, tokenizer, options, cancellation, reward_example);
}

}  // namespace expo
