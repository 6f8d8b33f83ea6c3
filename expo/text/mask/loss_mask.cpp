#include "expo/text/mask/loss_mask.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "expo/core/error.h"
#include "expo/text/mask/turn_spans.h"
#include "expo/text/unwritten_keys.h"

namespace expo {
namespace {

/// The first token that stands for a character, as char_to_token of transformers finds it.
std::optional<std::size_t> token_of(const std::vector<TextSpan>& places, std::size_t character) {
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (places[i].begin <= character && character < places[i].end) return i;
  }
  return std::nullopt;
}

/// As transformers' apply_chat_template marks them, down to its stop at a span that begins with no
/// token, and to an end without a token (or at the first one), which counts as the end of the text.
void mark_generations(const std::vector<TextSpan>& generations, const EncodedText& encoded,
                      std::vector<bool>& counts) {
  // A BOS that stands for no text is ours: transformers adds none here, and counts without it.
  const std::size_t added = !encoded.places.empty() && encoded.places[0] == TextSpan{} ? 1 : 0;
  for (const TextSpan& span : generations) {
    const auto first = token_of(encoded.places, span.begin);
    if (!first) return;
    // transformers asks for the character before the end, and an empty text has none.
    const auto last = span.end == 0 ? std::nullopt : token_of(encoded.places, span.end - 1);
    const std::size_t end = last.value_or(added) == added ? counts.size() : *last + 1;
    for (std::size_t i = *first; i < end; ++i) counts[i] = true;
  }
}

/// The number of spaces that a byte-level token begins with.
std::size_t leading_spaces(const std::string& token) {
  constexpr std::string_view kSpace = "Ġ";
  std::size_t count = 0;
  while (std::string_view(token).substr(count * kSpace.size()).starts_with(kSpace)) ++count;
  return count;
}

/// Some tokenizers leave the spaces that a token begins with out of its place. Of the token behind
/// the span they may still belong to it.
void mark_overlapping(const TextSpan& span, const EncodedText& encoded, const Tokenizer& tokenizer,
                      std::vector<bool>& counts) {
  std::size_t before = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const TextSpan& place = encoded.places[i];
    std::size_t begin = place.begin;
    if (before < span.end && span.end <= place.begin) {
      const std::size_t spaces = leading_spaces(tokenizer.token(encoded.ids[i]).value_or(""));
      begin = std::max(before, place.begin - std::min(place.begin, spaces));
    }
    if (begin < span.end && span.begin < place.end) counts[i] = true;
    before = std::max(before, place.end);
  }
}

void mark_turns(const PreparedChat& prepared, const std::string& text, const Chat& chat,
                const LossMaskOptions& mask, TurnSpans& spans, const EncodedText& encoded,
                const Tokenizer& tokenizer, std::vector<bool>& counts) {
  for (std::size_t turn = mask.first_message; turn < chat.messages.size(); ++turn) {
    const Json& message = chat.messages[turn];
    if (!is_assistant(message)) continue;
    if (!says_something(message))
      throw input_error(fmt::format("turn {}, by the assistant, is empty", turn + 1));
    refuse_unwritten(prepared, text, chat.messages, turn);
    mark_overlapping(spans.assistant_turn(turn), encoded, tokenizer, counts);
  }
}

/// The keys of messages of which the template writes nothing.
std::vector<std::string> unwritten(const PreparedChat& prepared, const std::string& text,
                                   const Json& messages) {
  std::vector<std::string> all;
  bool is_last = true;
  for (std::size_t i = messages.size(); i-- > 0;) {
    if (!is_assistant(messages[i])) continue;
    // Templates leave out the thoughts of earlier turns on purpose.
    for (const std::string& key : unwritten_keys(prepared, text, messages, i))
      if ((is_last || key == "tool_calls") && std::ranges::find(all, key) == all.end())
        all.push_back(key);
    is_last = false;
  }
  return all;
}

}  // namespace

MaskedChat mask_chat(const ChatTokenizer& tokenizer, const Chat& chat, const ChatOptions& options,
                     const LossMaskOptions& mask) {
  const PreparedChat prepared = tokenizer.prepare(chat, options);
  const RenderedChat rendered = prepared.render(false);
  EncodedText encoded = tokenizer.encode_rendered(rendered.text);
  MaskedChat result{{}, std::vector<bool>(encoded.ids.size(), false), prepared.marks_generation()};
  result.unwritten = unwritten(prepared, rendered.text, chat.messages);
  TurnSpans spans(prepared, chat.messages, rendered.text, encoded, tokenizer.tokenizer());
  if (!mask.assistant_only) {
    result.counts.assign(encoded.ids.size(), true);
  } else if (prepared.marks_generation()) {
    mark_generations(rendered.generations, encoded, result.counts);
  } else {
    mark_turns(prepared, rendered.text, chat, mask, spans, encoded, tokenizer.tokenizer(),
               result.counts);
  }
  const bool from_the_middle =
      mask.first_message > 0 && (!mask.assistant_only || prepared.marks_generation());
  if (from_the_middle) {
    const std::size_t begin = spans.beginning(mask.first_message);
    for (std::size_t i = 0; i < encoded.ids.size(); ++i)
      if (encoded.places[i].end <= begin) result.counts[i] = false;
  }
  result.ids = std::move(encoded.ids);
  return result;
}

}  // namespace expo
