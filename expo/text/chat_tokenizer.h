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
#include "expo/text/chat_template.h"
#include "expo/text/tokenizer.h"

namespace expo {

/// A file of a model's folder, read when it is asked for.
struct TextFile {
  std::string name;  ///< relative to the folder, with '/' between folders
  std::function<std::string()> read;
};

/// How a conversation is rendered.
struct ChatOptions {
  /// Of several named templates; nothing is "tool_use" where tools are given and it exists, else
  /// "default".
  std::optional<std::string> template_name;
  /// Ends with what opens the assistant's turn.
  bool add_generation_prompt = true;
  /// Further variables of the template (tools, documents, enable_thinking, date_string …).
  Json variables = Json::object();
  std::optional<std::int64_t> seconds_since_epoch;  ///< for strftime_now; see ChatTemplate
};

/// What turns a conversation into ids: the tokenizer, its special tokens and its chat templates, as
/// transformers' AutoTokenizer finds them in a model's folder: tokenizer.json,
/// tokenizer_config.json, special_tokens_map.json, chat_template.jinja (which comes before the
/// config's) and additional_chat_templates/NAME.jinja. Immutable and thread-safe once made.
class ChatTokenizer {
 public:
  /// `where` (the folder) begins the messages. Error(input) where there is no tokenizer.json.
  static ChatTokenizer from_files(std::span<const TextFile> files, std::string_view where);

  const Tokenizer& tokenizer() const { return tokenizer_; }
  bool has_template() const { return !templates_.empty(); }
  /// Whether any template renders the time.
  bool asks_for_time() const;
  /// Replaces all templates (`--chat-template FILE`).
  void set_template(std::string_view source, std::string_view where);

  /// `messages` is a list of {"role", "content"}. Error(input) where there is no template.
  std::string render(const Json& messages, const ChatOptions& options) const;
  /// The ids of what render() gives. Where the tokenizer begins a text with BOS there is exactly
  /// one: the template's, or else the tokenizer's.
  std::vector<TokenId> encode(const Json& messages, const ChatOptions& options) const;
  /// The ids of text as it is, with what the tokenizer adds, but never two BOS.
  std::vector<TokenId> encode_text(std::string_view text) const;

  /// "bos_token", "eos_token", "pad_token" …, to the token.
  const std::map<std::string, std::string>& special_tokens() const { return special_tokens_; }
  std::optional<TokenId> special_id(std::string_view name) const;

 private:
  ChatTokenizer(Tokenizer tokenizer, std::string_view where)
      : tokenizer_(std::move(tokenizer)), where_(where) {}
  const ChatTemplate& choose(const ChatOptions& options) const;
  void find_leading_tokens();
  void add_templates(const Json& config, std::span<const TextFile> files);

  Tokenizer tokenizer_;
  std::string where_;
  std::map<std::string, std::string> special_tokens_;
  std::map<std::string, ChatTemplate> templates_;
  std::optional<TokenId> leading_bos_;  ///< what the tokenizer begins every text with
};

}  // namespace expo
