#include "expo/evaluation/judge/judge_prompt.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "expo/core/error.h"
#include "expo/evaluation/judge/python_text.h"
#include "expo/evaluation/judge/sha2.h"

namespace expo {
namespace {

constexpr std::string_view kBegin = "<|im_start|>";
constexpr std::string_view kEnd = "<|im_end|>";
constexpr std::array<std::string_view, 3> kPlaces{"{instruction}", "{output_1}", "{output_2}"};

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size()))
    ++found;
  return found;
}

std::vector<std::string_view> split(std::string_view text, std::string_view by) {
  std::vector<std::string_view> parts;
  for (std::size_t end = text.find(by); end != text.npos; end = text.find(by)) {
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + by.size());
  }
  parts.push_back(text);
  return parts;
}

/// Adds the NAME=VALUE that may follow the role of a system's message; returns whether alpaca_eval
/// could read them.
bool add_parameters(Json& message, std::string_view text) {
  for (const std::string_view parameter : split(text, " ")) {
    if (parameter.empty()) continue;
    const std::size_t equals = parameter.find('=');
    if (equals == parameter.npos) return false;
    const std::string name(parameter.substr(0, equals));
    if (name == "content" || name == "role") return false;
    message[name] = std::string(parameter.substr(equals + 1));
  }
  return true;
}

/// A message from what follows <|im_start|>; std::nullopt if alpaca_eval could not read it.
std::optional<Json> message_of(std::string_view part) {
  constexpr std::string_view kSystem = "system";
  const std::size_t line_end = part.find('\n');
  if (line_end == part.npos) return std::nullopt;
  const std::string_view role = python_stripped(part.substr(0, line_end));
  const std::string_view content = part.substr(line_end + 1);
  const bool has_parameters = role.starts_with(kSystem) && role != kSystem;
  Json message{{"content", std::string(python_stripped(content.substr(0, content.find(kEnd))))},
               {"role", std::string(has_parameters ? kSystem : role)}};
  if (has_parameters && !add_parameters(message, role.substr(kSystem.size()))) return std::nullopt;
  return message;
}

/// The places of later texts that a text must not hold, as they would be taken for those.
bool holds_mark(std::string_view text, std::size_t place) {
  const auto holds = [&](std::string_view mark) { return text.find(mark) != text.npos; };
  return holds(kBegin) || holds(kEnd) ||
         std::any_of(kPlaces.begin() + static_cast<std::ptrdiff_t>(place) + 1, kPlaces.end(),
                     holds);
}

}  // namespace

JudgeTemplate::JudgeTemplate(Filesystem& filesystem, const std::filesystem::path& path)
    : text_(filesystem.read_text(path)), digest_(sha256_digits(text_)) {
  const auto occurs_once = [&](std::string_view place) { return count(text_, place) == 1; };
  const std::string_view trimmed = python_stripped(text_);
  if (trimmed.starts_with(kBegin) && trimmed.ends_with(kEnd) &&
      std::ranges::all_of(kPlaces, occurs_once))
    return;
  throw input_error(
      fmt::format("{}: is not the template of a judge's prompt; expected messages between {} and "
                  "{}, with {} once each",
                  path.string(), kBegin, kEnd, fmt::join(kPlaces, ", ")));
}

JudgePrompt JudgeTemplate::render(std::string_view instruction, std::string_view first,
                                  std::string_view second) const {
  std::string text = text_;
  const std::array values{instruction, first, second};
  JudgePrompt prompt{.messages = Json::array(), .impossible = {}};
  for (std::size_t i = 0; i < kPlaces.size(); ++i) {
    text.replace(text.find(kPlaces[i]), kPlaces[i].size(), values[i]);
    prompt.altered |= holds_mark(values[i], i);
  }
  const auto parts = split(python_stripped(text), kBegin);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    auto message = message_of(parts[i]);
    if (!message) {
      prompt.impossible = fmt::format(
          "what follows {} in an answer is not a message of a chat, so no prompt can be made of it",
          kBegin);
      return prompt;
    }
    prompt.messages.push_back(*std::move(message));
  }
  return prompt;
}

bool is_switched(std::string_view instruction, std::uint64_t seed) {
  return python_coin(fmt::format("is_switched_outputs{}{}", instruction, seed));
}

}  // namespace expo
