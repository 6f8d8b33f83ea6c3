#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "expo/core/json.h"
#include "expo/core/progress.h"
#include "expo/text/chat_tokenizer.h"
#include "expo/text/columns.h"
#include "expo/text/row_reader.h"
#include "expo/training/data/example.h"

namespace expo {

struct ExampleOptions {
  std::string name = "the data set";  ///< for messages
  double fraction = 1;                ///< of the rows, in (0, 1]
  std::uint64_t seed = 0;
  std::int64_t max_length = 1024;
  std::int64_t max_prompt_length = 512;
  Columns columns = {};         ///< of preference pairs
  std::int64_t vocabulary = 0;  ///< of the model: token ids lie below; 0: not known
};

/// What became of the rows.
struct ExampleCounts {
  std::int64_t rows = 0;            ///< in the data set
  std::int64_t chosen_rows = 0;     ///< of the fraction
  std::int64_t examples = 0;        ///< that are trained on
  std::int64_t prompts_cut = 0;     ///< from the left, to max_prompt_length
  std::int64_t answers_cut = 0;     ///< or conversations, from the right
  std::int64_t same_answers = 0;    ///< left out: chosen and rejected are the same
  std::int64_t too_long = 0;        ///< left out: longer than max_length (reward models)
  std::int64_t without_answer = 0;  ///< left out: cut before an assistant's token
};
Json to_json(const ExampleCounts& counts);

struct ExampleSet {
  std::vector<Example> examples;
  ExampleCounts counts;
  std::vector<std::string> warnings;  ///< a sentence for each kind of row that was cut or left out
  std::string digest;                 ///< "xxh3-128:…" of all ids and what counts
};

using RowSource = std::function<std::unique_ptr<RowReader>()>;  ///< opens the data set anew

/// Preference pairs for DPO: prompt and answer as the chat template renders them, the answers'
/// tokens count. Where prompt and longer answer exceed max_length, the prompt is cut to its last
/// max_prompt_length tokens, and then each answer to what is left. Pairs with the same answers are
/// left out and counted. Throws Error(input) naming the row for what read_preference and the chat
/// template refuse and for tokens outside the vocabulary, and where nothing is left to train on.
ExampleSet read_pairs(const RowSource& source, const ChatTokenizer& tokenizer,
                      const ExampleOptions& options, const CancellationToken& cancellation);

/// Likewise for reward models: whole conversations, those that exceed max_length left out and
/// counted, since an answer without its end is another answer.
ExampleSet read_reward_pairs(const RowSource& source, const ChatTokenizer& tokenizer,
                             const ExampleOptions& options, const CancellationToken& cancellation);

/// Conversations for SFT, of the column `messages` or of `prompt` and `completion`; the assistant's
/// turns count. What exceeds max_length is cut from the right. Throws Error(input) naming the row
/// for messages that are none or have no assistant's turn, and for a turn whose tokens the template
/// hides.
ExampleSet read_conversations(const RowSource& source, const ChatTokenizer& tokenizer,
                              const ExampleOptions& options, const CancellationToken& cancellation);

}  // namespace expo
