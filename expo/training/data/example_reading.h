#pragma once

#include <string>
#include <vector>

#include "expo/training/data/example_set.h"

namespace expo {

/// A row's tokens before they are stored.
struct ReadRow {
  std::vector<TokenId> ids;
  std::vector<bool> counts;
};

/// What becomes of a row of the data set.
struct ReadExample {
  /// Why a row is left out.
  enum class Omission { none, same_answers, too_long, without_answer };

  std::vector<ReadRow> rows;  ///< those of an Example
  Omission omission = Omission::none;
  bool prompt_cut = false;
  bool answer_cut = false;
  std::vector<std::string> unwritten = {};  ///< keys of messages that the template does not write

  static ReadExample left_out(Omission why) { return {.rows = {}, .omission = why}; }
};

/// Makes an example of a row; thread-safe. Throws Error(input), with or without the place.
using MakeExample = std::function<ReadExample(const Json& row, const std::string& place)>;

/// Reads the rows of a data set, or the chosen fraction of them, and makes an example of each on
/// several threads. The tokenizer names tokens that the model has not. The result and the row that
/// is refused first do not depend on their number.
ExampleSet read_examples(const RowSource& source, const Tokenizer& tokenizer,
                         const ExampleOptions& options, const MakeExample& make,
                         const CancellationToken& cancellation);

}  // namespace expo
