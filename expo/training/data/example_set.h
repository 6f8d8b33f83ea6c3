#pragma once

#include <functional>
#include <memory>
#include <optional>
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
  std::string name = "the data set";  ///< for error messages
  double fraction = 1;                ///< share of the rows, in (0, 1]
  std::uint64_t seed = 0;
  std::int64_t max_length = 1024;
  std::int64_t max_prompt_length = 512;
  Columns columns = {};             ///< columns of preference pairs
  std::int64_t vocabulary = 0;      ///< size of the model's vocabulary; 0: not known
  bool assistant_only_loss = true;  ///< SFT: only the assistant's turns count
  /// SFT: of a prompt with a completion, only the completion counts; std::nullopt: yes, where a row
  /// has them.
  std::optional<bool> completion_only_loss = {};
  unsigned threads = 0;  ///< that render and tokenize; 0: one for each processor
};

/// Counts of what became of the rows.
struct ExampleCounts {
  std::int64_t rows = 0;            ///< rows in the data set
  std::int64_t chosen_rows = 0;     ///< rows in the fraction
  std::int64_t examples = 0;        ///< examples to train on
  std::int64_t prompts_cut = 0;     ///< cut from the left, to max_prompt_length
  std::int64_t answers_cut = 0;     ///< answers or conversations cut from the right
  std::int64_t same_answers = 0;    ///< left out: chosen and rejected are the same
  std::int64_t too_long = 0;        ///< left out: longer than max_length (reward models)
  std::int64_t without_answer = 0;  ///< left out: cut before an assistant's token
  std::int64_t unwritten = 0;       ///< have calls or thoughts that the chat template leaves out
  std::int64_t tokens = 0;          ///< of all examples
  std::int64_t counted_tokens = 0;  ///< of these, that the loss counts
};
Json to_json(const ExampleCounts& counts);

struct ExampleSet {
  std::vector<Example> examples;
  ExampleCounts counts;
  std::vector<std::string>
      warnings;        ///< one sentence for each kind of row that was cut or left out
  std::string digest;  ///< "xxh3-128:…" over all ids and which of them count
};

using RowSource = std::function<std::unique_ptr<RowReader>()>;  ///< opens the data set anew

/// Reads preference pairs for DPO: prompt and answers as the chat template renders them; the
/// answers' tokens count. If the prompt and the longer answer exceed max_length, the prompt is cut
/// to its last max_prompt_length tokens, and then each answer to what is left. Pairs with equal
/// answers are left out and counted. Throws Error(input) naming the row for what read_preference
/// and the chat template refuse and for tokens outside the vocabulary; throws Error(input) if
/// nothing is left to train on.
ExampleSet read_pairs(const RowSource& source, const ChatTokenizer& tokenizer,
                      const ExampleOptions& options, const CancellationToken& cancellation);

/// Reads preference pairs for reward models, as whole conversations. Those that exceed max_length
/// are left out and counted, because an answer without its end is a different answer. Throws what
/// read_pairs throws.
ExampleSet read_reward_pairs(const RowSource& source, const ChatTokenizer& tokenizer,
                             const ExampleOptions& options, const CancellationToken& cancellation);

/// Reads conversations for SFT from the column `messages` or from `prompt` and `completion`; which
/// tokens count is mask_chat's to say, by assistant_only_loss and completion_only_loss. Whatever
/// exceeds max_length is cut from the right. Throws Error(input) naming the row if its messages are
/// malformed, if nothing of them counts, for what mask_chat refuses, and for messages without a
/// completion where completion_only_loss is set.
ExampleSet read_conversations(const RowSource& source, const ChatTokenizer& tokenizer,
                              const ExampleOptions& options, const CancellationToken& cancellation);

}  // namespace expo
