#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "expo/text/mask/loss_mask.h"
#include "expo/training/data/example_reading.h"
#include "expo/training/data/example_set.h"

namespace expo {
namespace {

/// A row's conversation and, of a prompt with a completion, where the completion begins.
struct Conversation {
  Chat chat;
  std::size_t completion = 0;  ///< index of its first message; 0 where the row has only messages
};

Json turns_of(const RowView& row, const Json& value, const char* column, const char* role) {
  if (!value.is_string()) return read_messages(row, value, column);
  if (role == std::string_view("user")) return user_turn(prompt_text(row, value));
  return Json::array({assistant_turn(value.get<std::string>())});
}

Conversation conversation_of(const RowView& row) {
  Conversation result;
  result.chat.variables = read_variables(row);
  Json& turns = result.chat.messages;
  if (const Json* messages = row.find("", {"messages"})) {
    turns = read_messages(row, *messages, "messages");
    return result;
  }
  const Json* prompt = row.find("", {"prompt", "instruction"});
  const Json* completion = row.find("", {"completion", "output"});
  if (prompt == nullptr || completion == nullptr) {
    row.refuse(fmt::format(
        "there is neither a column messages nor both a prompt (prompt, instruction) and an answer "
        "(completion, output) that is not null; it has {}",
        row.names()));
  }
  turns = turns_of(row, *prompt, "prompt", "user");
  result.completion = turns.size();
  for (Json& turn : turns_of(row, *completion, "completion", "assistant"))
    turns.push_back(std::move(turn));
  return result;
}

/// The first message that counts, by the rule of completion_only_loss.
std::size_t first_message(const RowView& row, const Conversation& conversation,
                          const ExampleOptions& options) {
  if (options.completion_only_loss == true && conversation.completion == 0) {
    row.refuse(
        "completion_only_loss is on, but the row has messages, and not a prompt and a completion; "
        "leave it out, or set it to false");
  }
  return options.completion_only_loss.value_or(true) ? conversation.completion : 0;
}

void refuse_without_answer(const RowView& row, const Json& messages, bool marked) {
  const bool answered = std::ranges::any_of(messages, is_assistant);
  if (answered && marked) {
    row.refuse(
        "the chat template marks nothing of it with {% generation %}, so there is nothing to train "
        "on");
  }
  std::set<std::string> roles;
  for (const Json& turn : messages) roles.insert(turn["role"].get<std::string>());
  row.refuse(
      fmt::format("it has no assistant turn, so there is nothing to train on; its roles are {}",
                  fmt::join(roles, ", ")));
}

ReadExample example_of(const Json& json, const std::string& place, const ChatTokenizer& tokenizer,
                       const ExampleOptions& options) {
  const RowView row(json, place);
  const Conversation conversation = conversation_of(row);
  MaskedChat masked =
      mask_chat(tokenizer, conversation.chat, {},
                {options.assistant_only_loss, first_message(row, conversation, options)});
  if (!masked.ids.empty() && std::ranges::count(masked.counts, true) == 0)
    refuse_without_answer(row, conversation.chat.messages, masked.marked_by_template);
  ReadExample result;
  result.unwritten = std::move(masked.unwritten);
  const auto length = static_cast<std::size_t>(options.max_length);
  if (masked.ids.size() > length) {
    result.answer_cut = true;
    masked.ids.resize(length);
    masked.counts.resize(length);
  }
  const bool counts = masked.counts.size() > 1 &&
                      std::count(masked.counts.begin() + 1, masked.counts.end(), true) > 0;
  if (!counts && !masked.ids.empty()) result.omission = ReadExample::Omission::without_answer;
  result.rows.push_back({std::move(masked.ids), std::move(masked.counts)});
  return result;
}

}  // namespace

ExampleSet read_conversations(const RowSource& source, const ChatTokenizer& tokenizer,
                              const ExampleOptions& options,
                              const CancellationToken& cancellation) {
  const auto example = [&](const Json& json, const std::string& place) {
    return example_of(json, place, tokenizer, options);
  };
  return read_examples(source, tokenizer.tokenizer(), options, example, cancellation);
}

}  // namespace expo
