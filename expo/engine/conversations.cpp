#include "expo/engine/conversations.h"

#include <fmt/format.h>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/extrapolation/write/input_digest.h"

namespace expo {
namespace {

/// Says what is wrong with a conversation of so many tokens; empty if nothing is.
std::string problem(const Conversation& conversation, std::size_t tokens, std::size_t reserve,
                    std::size_t context) {
  const char* what = conversation.is_answered() ? "conversation" : "prompt";
  if (tokens == 0) return fmt::format("{}: the {} has no tokens", conversation.place, what);
  if (context == 0 || tokens + reserve <= context) return {};
  return fmt::format("{}: the {} has {} tokens, and the model's context holds {}{}",
                     conversation.place, what, tokens, context,
                     reserve > 0 ? ", answer included" : "");
}

}  // namespace

Chat with_system(const Chat& chat, const std::string& system) {
  if (system.empty() || chat.messages.front().at("role") == "system") return chat;
  Chat result{Json::array({{{"role", "system"}, {"content", system}}}), chat.variables};
  for (const Json& message : chat.messages) result.messages.push_back(message);
  return result;
}

Fitting choose_fitting(std::span<const Conversation> conversations,
                       const std::optional<std::vector<std::size_t>>& counts, std::size_t context,
                       std::size_t reserve, bool skip) {
  Fitting result;
  for (std::size_t i = 0; i < conversations.size(); ++i) {
    std::string wrong =
        counts ? problem(conversations[i], counts->at(i), reserve, context) : std::string();
    if (wrong.empty()) {
      result.kept.push_back(i);
    } else if (skip) {
      result.skipped.push_back(std::move(wrong));
    } else {
      throw input_error(wrong + " (--skip-too-long skips such rows)");
    }
  }
  if (result.kept.empty())
    throw input_error("no row is left to work on: the data set is empty, or every row was skipped");
  return result;
}

std::vector<std::string> describe_skipped(const Fitting& fitting, std::size_t rows) {
  if (fitting.skipped.empty()) return {};
  return {fmt::format("{} {} not fit the model and {} skipped, the first of them {}",
                      counted(rows, "row"), rows == 1 ? "does" : "do", rows == 1 ? "was" : "were",
                      fitting.skipped.front())};
}

std::string digest_of(std::span<const Conversation> conversations) {
  std::string text;
  for (const Conversation& one : conversations) {
    Json facts = {one.id, one.chat.messages};
    if (!one.chat.variables.empty()) facts.push_back(one.chat.variables);
    text += compact_json(facts) + "\n";
  }
  return text_digest(text);
}

}  // namespace expo
