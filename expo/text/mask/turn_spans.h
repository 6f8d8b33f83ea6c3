#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "expo/text/chat_tokenizer.h"

namespace expo {

/// Finds which part of a whole conversation's text each of its turns is, for templates that do not
/// mark it with {% generation %}. Nothing is compared but renderings of the whole conversation: a
/// turn is what changes when other words stand in its place.
///
/// An assistant's turn begins where the generation prompt ends, so that what the template writes
/// between that and the answer (such as an empty thought) belongs to it: the model has to write it.
/// If the text has no generation prompt there, the turn begins with what changes. It ends with what
/// the template writes after a last turn; if an earlier turn ends otherwise, with the first special
/// token behind it.
class TurnSpans {
 public:
  /// `text` is the rendering of the chat without a generation prompt, `encoded` its tokens. All
  /// must outlive this object.
  TurnSpans(const PreparedChat& chat, const Json& messages, const std::string& text,
            const EncodedText& encoded, const Tokenizer& tokenizer);

  /// The span of the assistant's turn at `index`. Throws Error(input) that names the turn (counted
  /// from 1) if the template leaves it out or writes it twice, or if its end cannot be found.
  TextSpan assistant_turn(std::size_t index);
  /// Where the message at `index` begins: an assistant's turn as above, others with their content.
  std::size_t beginning(std::size_t index);

 private:
  /// What stays and what changes when one message has other words, in bytes of the text.
  struct Change {
    std::size_t begin = 0;
    std::size_t end = 0;
    bool begins_with_words = false;  ///< nothing before the words changes with them
    bool ends_with_words = false;    ///< nothing behind the words changes with them
    bool once = true;                ///< the template writes the other words in one place
    std::string after;               ///< what the other rendering writes behind the other words
  };

  Json replacement(std::size_t index) const;
  std::optional<Change> change_to(std::size_t index, const Json& message) const;
  const std::optional<Change>& replaced(std::size_t index);
  Change change_of(std::size_t index);
  std::size_t begin_of(std::size_t index, const Change& change);
  std::size_t end_of(std::size_t index, const Change& change);
  std::optional<std::size_t> special_end(std::size_t from, std::size_t limit) const;
  const std::string& generation_prompt();
  const std::string& closing();
  std::size_t characters_before(std::size_t byte) const;
  std::size_t byte_of(std::size_t character) const;
  [[noreturn]] void refuse(std::size_t index, const std::string& why) const;

  const PreparedChat& chat_;
  const Json& messages_;
  const std::string& text_;
  const EncodedText& encoded_;
  const Tokenizer& tokenizer_;
  std::string marker_;  ///< a word that the text does not have
  std::optional<std::string> generation_prompt_;
  std::optional<std::string> closing_;
  std::map<std::size_t, std::optional<Change>> replaced_;
};

}  // namespace expo
