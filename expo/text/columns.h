#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "expo/core/json.h"

namespace expo {

/// What a data set's columns are called; an empty name is found out: the first that the row has of
/// those in the comment, in that order.
struct Columns {
  std::string prompt = {};    ///< prompt, instruction, messages, question, query
  std::string id = {};        ///< prompt_id, id; none: the row's number, from 0
  std::string chosen = {};    ///< chosen
  std::string rejected = {};  ///< rejected
  std::string answer = {};    ///< output, answer, response, completion
};

/// One row with its place, for messages that name both. Refers to both; does not own them.
class RowView {
 public:
  RowView(const Json& row, std::string_view place) : row_(row), place_(place) {}

  /// The column that `name` gives or, where it is empty, the first of `candidates` that is there
  /// and not null. Null where there is none.
  const Json* find(const std::string& name,
                   std::initializer_list<std::string_view> candidates) const;
  /// Likewise; throws Error(input) where there is none, naming `option`, which chooses it.
  const Json& require(const std::string& name, std::initializer_list<std::string_view> candidates,
                      std::string_view option) const;
  /// Throws Error(input): the place, and what is wrong.
  [[noreturn]] void refuse(const std::string& what) const;

 private:
  const Json& row_;
  std::string_view place_;
};

/// The user's words of a prompt column that is text. Alpaca's and AlpacaEval's `instruction` may
/// have an `input` beside it, which follows it after an empty line.
std::string prompt_text(const RowView& row, const Json& value);

/// A list of {"role", "content"} whose contents are text; refuses anything else by `column`.
Json read_messages(const RowView& row, const Json& value, std::string_view column);

}  // namespace expo
