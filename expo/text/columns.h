#pragma once

#include <array>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "expo/core/json.h"

namespace expo {

/// The names of a data set's columns. For an empty name, the first column in the member's list that
/// the row has is used.
struct Columns {
  std::string prompt = {};    ///< prompt, instruction, messages, question, query
  std::string id = {};        ///< prompt_id, id; if there is none, the row's number from 0
  std::string chosen = {};    ///< chosen
  std::string rejected = {};  ///< rejected
  std::string answer = {};    ///< output, answer, response, completion
};

/// A row and its place, which messages name. Refers to both; does not own them.
class RowView {
 public:
  RowView(const Json& row, std::string_view place) : row_(row), place_(place) {}

  /// The column called `name` or, if that is empty, the first of `candidates` that exists and is
  /// not null. Returns nullptr if there is none. Throws Error(input) if the column is or holds NaN
  /// or an infinite number, because the column is used.
  const Json* find(const std::string& name,
                   std::initializer_list<std::string_view> candidates) const;
  /// The same, but throws Error(input) if there is none, naming `option`, which chooses the column.
  const Json& require(const std::string& name, std::initializer_list<std::string_view> candidates,
                      std::string_view option) const;
  /// The names of all columns, for a message: "a, b", or "none".
  std::string names() const;
  /// Throws Error(input) with the place and with what is wrong.
  [[noreturn]] void refuse(const std::string& what) const;

 private:
  void refuse_non_finite(std::string_view column, const Json& value) const;

  const Json& row_;
  std::string_view place_;
};

/// The user's text in a prompt column that holds text. The `instruction` of Alpaca and AlpacaEval
/// may have an `input` beside it, which is appended after an empty line.
std::string prompt_text(const RowView& row, const Json& value);

/// Reads a list of messages, each with all its keys: {"role": …, "content": …, …}. The role is
/// text; the content is text, a list of text parts ({"type": "text", "text": …}) or, where the
/// message has something else to say (tool_calls, reasoning_content), null or absent. Refuses
/// anything else, naming `column` and the turn.
Json read_messages(const RowView& row, const Json& value, std::string_view column);

/// The columns that read_variables reads.
inline constexpr std::array kVariableColumns{"tools", "chat_template_kwargs"};

/// What the row sets for its chat template: `tools`, a list of objects (or its JSON text, as TRL
/// accepts it), and the members of `chat_template_kwargs`. Refuses anything else.
Json read_variables(const RowView& row);

}  // namespace expo
