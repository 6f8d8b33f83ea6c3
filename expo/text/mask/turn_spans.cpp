#include "expo/text/mask/turn_spans.h"

#include <fmt/format.h>

#include <algorithm>

#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {
namespace {

bool within_character(const std::string& text, std::size_t at) {
  return at < text.size() && continues_character(text[at]);
}

std::size_t common_prefix(const std::string& a, const std::string& b) {
  const auto [end, _] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<std::size_t>(end - a.begin());
}

std::size_t common_suffix(const std::string& a, const std::string& b) {
  const auto [end, _] = std::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend());
  return static_cast<std::size_t>(end - a.rbegin());
}

/// A word that no part of the text is.
std::string word_not_in(const std::string& text) {
  std::string word = "qz7x";
  for (int number = 0; text.find(word) != std::string::npos; ++number)
    word = fmt::format("qz7x{}w", number);
  return word;
}

/// Other arguments for every call of a message's tools, whose names and ids stay what they are.
Json with_other_arguments(Json message, const std::string& marker) {
  for (Json& call : message["tool_calls"]) {
    Json& holder = call.contains("function") ? call["function"] : call;
    if (!holder.is_object() || !holder.contains("arguments")) continue;
    Json& arguments = holder["arguments"];
    arguments =
        arguments.is_string() ? Json(compact_json({{marker, marker}})) : Json{{marker, marker}};
  }
  return message;
}

}  // namespace

TurnSpans::TurnSpans(const PreparedChat& chat, const Json& messages, const std::string& text,
                     const EncodedText& encoded, const Tokenizer& tokenizer)
    : chat_(chat),
      messages_(messages),
      text_(text),
      encoded_(encoded),
      tokenizer_(tokenizer),
      marker_(word_not_in(text)) {}

TextSpan TurnSpans::assistant_turn(std::size_t index) {
  const Change change = change_of(index);
  const std::size_t begin = begin_of(index, change);
  const std::size_t end = end_of(index, change);
  if (begin >= end) refuse(index, "the chat template writes nothing of it");
  return {characters_before(begin), characters_before(end)};
}

std::size_t TurnSpans::beginning(std::size_t index) {
  const Change change = change_of(index);
  return characters_before(is_assistant(messages_[index]) ? begin_of(index, change) : change.begin);
}

/// The message with other words in place of its content, in the form of the content.
Json TurnSpans::replacement(std::size_t index) const {
  const Json& original = messages_[index];
  Json message = is_assistant(original) ? Json{{"role", "assistant"}} : original;
  const bool in_parts =
      chat_.reads_parts() && original.contains("content") && original["content"].is_array();
  message["content"] =
      in_parts ? Json::array({{{"type", "text"}, {"text", marker_}}}) : Json(marker_);
  return message;
}

/// Nothing if the template refuses the other message or does not write its words.
std::optional<TurnSpans::Change> TurnSpans::change_to(std::size_t index,
                                                      const Json& message) const {
  std::string other;
  try {
    other = chat_.render_with(index, message).text;
  } catch (const Error&) {
    return std::nullopt;
  }
  const std::size_t first = other.find(marker_);
  if (first == std::string::npos) return std::nullopt;
  const std::size_t last = other.rfind(marker_) + marker_.size();
  Change change;
  const std::size_t prefix = common_prefix(text_, other);
  change.begin = std::min(prefix, first);
  change.begins_with_words = prefix >= first;
  const std::size_t most = std::min(other.size() - last, text_.size() - change.begin);
  const std::size_t suffix = common_suffix(text_, other);
  change.end = text_.size() - std::min(suffix, most);
  change.ends_with_words = suffix >= other.size() - last;
  while (within_character(text_, change.begin)) --change.begin;
  while (within_character(text_, change.end)) ++change.end;
  change.after = other.substr(last);
  change.once = first + marker_.size() == last;
  return change;
}

/// Most turns are asked for as a neighbour or as the last one, too.
const std::optional<TurnSpans::Change>& TurnSpans::replaced(std::size_t index) {
  const auto [place, is_new] = replaced_.try_emplace(index);
  if (is_new) place->second = change_to(index, replacement(index));
  return place->second;
}

/// A template may insist on the calls to which later messages answer; then only their arguments
/// change.
TurnSpans::Change TurnSpans::change_of(std::size_t index) {
  if (const auto& change = replaced(index)) {
    if (change->once) return *change;
    refuse(index, "the chat template writes it more than once");
  }
  const Json& message = messages_[index];
  if (is_assistant(message) && message.contains("tool_calls") && message["tool_calls"].is_array()) {
    if (auto change = change_to(index, with_other_arguments(message, marker_))) return *change;
  }
  refuse(index, "the chat template changes what it says, or leaves it out");
}

/// What opens an assistant's turn, where the template says it: what add_generation_prompt adds to
/// the conversation or, if the template adds it only behind other turns, to what precedes the last
/// assistant's turn.
const std::string& TurnSpans::generation_prompt() {
  if (generation_prompt_) return *generation_prompt_;
  generation_prompt_.emplace();
  const auto added = [&](std::size_t count) {
    try {
      const std::string without =
          count == chat_.size() ? text_ : chat_.render_first(count, false).text;
      const std::string with = chat_.render_first(count, true).text;
      return with.starts_with(without) ? with.substr(without.size()) : std::string();
    } catch (const Error&) {
      return std::string();
    }
  };
  *generation_prompt_ = added(chat_.size());
  std::size_t last = messages_.size();
  while (last > 0 && !is_assistant(messages_[last - 1])) --last;
  if (generation_prompt_->empty() && last > 1) *generation_prompt_ = added(last - 1);
  return *generation_prompt_;
}

/// What the template writes behind an assistant's turn that is the last.
const std::string& TurnSpans::closing() {
  if (closing_) return *closing_;
  const bool ends_with_assistant = is_assistant(messages_.back());
  const std::size_t index = messages_.size() - (ends_with_assistant ? 1 : 0);
  const auto change =
      ends_with_assistant ? replaced(index) : change_to(index, expo::assistant_turn(marker_));
  closing_ = change ? change->after : std::string();
  return *closing_;
}

std::size_t TurnSpans::begin_of(std::size_t index, const Change& change) {
  const std::string& opening = generation_prompt();
  // A template may open a turn with the beginning of a thought, so the opening may reach into what
  // changes.
  const std::size_t found =
      opening.empty() ? std::string::npos : text_.rfind(opening, change.begin);
  const bool opens = found != std::string::npos;
  if (opens && found + opening.size() == change.begin) return change.begin;
  if (!opens && change.begins_with_words) return change.begin;
  // What is not the words themselves must be the template's, not the message's before: its words
  // may look like an opening, or depend on this turn.
  std::size_t least = 0;
  if (index > 0) {
    const auto& before = replaced(index - 1);
    if (!before) refuse(index, "where it begins cannot be told from the turn before it");
    least = before->end;
  }
  if (opens && found >= least) return std::min(found + opening.size(), change.end);
  if (index == 0 || change.begin < least) refuse(index, "the text before it depends on it");
  return change.begin;
}

std::size_t TurnSpans::end_of(std::size_t index, const Change& change) {
  const std::string& usual = closing();
  const bool follows = !usual.empty() && text_.compare(change.end, usual.size(), usual) == 0;
  if (follows && change.ends_with_words) return change.end + usual.size();
  std::size_t limit = text_.size();
  if (index + 1 < messages_.size()) {
    const auto& next = replaced(index + 1);
    if (!next) refuse(index, "where it ends cannot be told from the turn behind it");
    limit = next->begin;
  }
  if (change.end > limit) refuse(index, "the text behind it depends on it");
  const std::size_t found = usual.empty() ? std::string::npos : text_.find(usual, change.end);
  if (found != std::string::npos && found + usual.size() <= limit) return found + usual.size();
  if (const auto end = special_end(change.end, limit)) return *end;
  if (usual.empty()) return change.end;
  refuse(index,
         "the chat template ends it otherwise than a last turn, and without a special token");
}

/// The end of the first special token that ends behind `from` and begins before `limit`.
std::optional<std::size_t> TurnSpans::special_end(std::size_t from, std::size_t limit) const {
  const std::size_t first = characters_before(from);
  const std::size_t last = characters_before(limit);
  for (std::size_t i = 0; i < encoded_.ids.size(); ++i) {
    const TextSpan& place = encoded_.places[i];
    if (place.end <= first || place.begin >= last || place.begin == place.end) continue;
    if (tokenizer_.is_special(encoded_.ids[i])) return byte_of(place.end);
  }
  return std::nullopt;
}

std::size_t TurnSpans::characters_before(std::size_t byte) const {
  return count_characters(std::string_view(text_).substr(0, byte));
}

std::size_t TurnSpans::byte_of(std::size_t character) const {
  std::size_t byte = 0;
  for (std::size_t at = 0; at < character && byte < text_.size(); ++at) {
    ++byte;
    while (within_character(text_, byte)) ++byte;
  }
  return byte;
}

void TurnSpans::refuse(std::size_t index, const std::string& why) const {
  const std::string role = messages_[index].at("role");
  throw input_error(fmt::format(
      "turn {}, by the {}, cannot be found in the rendered text: {}; {{% generation %}} "
      "in the template can mark it, or assistant_only_loss=false count everything",
      index + 1, role, why));
}

}  // namespace expo
