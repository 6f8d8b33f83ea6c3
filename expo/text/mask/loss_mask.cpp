#include "expo/text/mask/loss_mask.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "expo/core/error.h"
#include "expo/text/mask/turn_spans.h"

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
  for (const TextSpan& span : generations) {
    const auto first = token_of(encoded.places, span.begin);
    if (!first) return;
    // transformers asks for the character before the end, and an empty text has none.
    const auto last = span.end == 0 ? std::nullopt : token_of(encoded.places, span.end - 1);
    const std::size_t end = last.value_or(0) == 0 ? counts.size() : *last + 1;
    for (std::size_t i = *first; i < end; ++i) counts[i] = true;
  }
}

void mark_overlapping(const TextSpan& span, const EncodedText& encoded, std::vector<bool>& counts) {
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const TextSpan& place = encoded.places[i];
    if (place.begin < span.end && span.begin < place.end) counts[i] = true;
  }
}

void mark_turns(const Chat& chat, const LossMaskOptions& mask, TurnSpans& spans,
                const EncodedText& encoded, std::vector<bool>& counts) {
  for (std::size_t turn = mask.first_message; turn < chat.messages.size(); ++turn) {
    const Json& message = chat.messages[turn];
    if (message.at("role") != "assistant") continue;
    if (!says_something(message))
      throw input_error(fmt::format("turn {}, by the assistant, is empty", turn + 1));
    mark_overlapping(spans.assistant_turn(turn), encoded, counts);
  }
}

}  // namespace

MaskedChat mask_chat(const ChatTokenizer& tokenizer, const Chat& chat, const ChatOptions& options,
                     const LossMaskOptions& mask) {
  const PreparedChat prepared = tokenizer.prepare(chat, options);
  const RenderedChat rendered = prepared.render(false);
  EncodedText encoded = tokenizer.encode_rendered(rendered.text);
  MaskedChat result{{}, std::vector<bool>(encoded.ids.size(), false), prepared.marks_generation()};
  TurnSpans spans(prepared, chat.messages, rendered.text, encoded, tokenizer.tokenizer());
  if (!mask.assistant_only) {
    result.counts.assign(encoded.ids.size(), true);
  } else if (prepared.marks_generation()) {
    mark_generations(rendered.generations, encoded, result.counts);
  } else {
    mark_turns(chat, mask, spans, encoded, result.counts);
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
