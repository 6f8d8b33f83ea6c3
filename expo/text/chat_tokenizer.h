#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "expo/core/json.h"
#include "expo/text/chat.h"
#include "expo/text/chat_template.h"
#include "expo/text/prepared_chat.h"
#include "expo/text/tokenizer.h"

namespace expo {

/// A file of a model's folder, which is read on demand.
struct TextFile {
  std::string name;  ///< relative to the folder, with '/' between folders
  std::function<std::string()> read;
};

/// How a conversation is rendered.
struct ChatOptions {
  /// Selects one of several templates by name. std::nullopt selects "tool_use" if tools are given
  /// and it exists, and "default" otherwise.
  std::optional<std::string> template_name;
  /// Whether the text ends with what opens the assistant's turn.
  bool add_generation_prompt = true;
  /// Further variables of the template (documents, enable_thinking, date_string and so on); those
  /// that a conversation brings take precedence.
  Json variables = Json::object();
  /// For strftime_now; see ChatTemplate. std::nullopt means the clock when the conversation is
  /// prepared: all its renderings tell the same moment.
  std::optional<std::int64_t> seconds_since_epoch;
};

/// Turns conversations into token ids. It holds the tokenizer, its special tokens and its chat
/// templates, found in a model's folder as by transformers' AutoTokenizer: tokenizer.json,
/// tokenizer_config.json, special_tokens_map.json, chat_template.jinja (which takes precedence over
/// the config's) and additional_chat_templates/NAME.jinja. Thread-safe as long as set_template is
/// not called.
class ChatTokenizer {
 public:
  /// Messages begin with `where` (the folder). Throws Error(input) if there is no tokenizer.json.
  static ChatTokenizer from_files(std::span<const TextFile> files, std::string_view where);

  const Tokenizer& tokenizer() const { return tokenizer_; }
  bool has_template() const { return !templates_.empty(); }
  /// Whether any template's text depends on the time.
  bool asks_for_time() const;
  /// Replaces all templates (`--chat-template FILE`).
  void set_template(std::string_view source, std::string_view where);

  /// Makes a conversation ready for its template. Throws Error(input) if there is no template. The
  /// tokenizer must outlive the result.
  PreparedChat prepare(const Chat& chat, const ChatOptions& options) const;
  /// Renders a conversation as text.
  std::string render(const Chat& chat, const ChatOptions& options) const;
  /// The token ids of the text that render() returns. If the tokenizer begins a text with BOS,
  /// there is exactly one: the template's or else the tokenizer's.
  std::vector<TokenId> encode(const Chat& chat, const ChatOptions& options) const;
  /// The tokens of a rendered conversation, with the same BOS.
  EncodedText encode_rendered(std::string_view text) const;
  /// The token ids of plain text, including those that the tokenizer adds, but never two BOS.
  std::vector<TokenId> encode_text(std::string_view text) const;

  /// Maps "bos_token", "eos_token", "pad_token" and so on to the token.
  const std::map<std::string, std::string>& special_tokens() const { return special_tokens_; }
  std::optional<TokenId> special_id(std::string_view name) const;

 private:
  /// A template, and whether it joins the parts of a content itself.
  struct NamedTemplate {
    ChatTemplate chat_template;
    bool reads_parts;
  };

  ChatTokenizer(Tokenizer tokenizer, std::string_view where)
      : tokenizer_(std::move(tokenizer)), where_(where) {}
  const NamedTemplate& choose(const ChatOptions& options, const Chat& chat) const;
  std::string variables_for(const ChatOptions& options, const Chat& chat) const;
  void find_leading_tokens();
  void add_templates(const Json& config, std::span<const TextFile> files);
  void add_template(const std::string& name, std::string_view source, std::string_view where);

  Tokenizer tokenizer_;
  std::string where_;
  std::map<std::string, std::string> special_tokens_;
  std::map<std::string, NamedTemplate> templates_;
  std::optional<TokenId> leading_bos_;  ///< set if the tokenizer begins every text with it
};

}  // namespace expo
