#include "expo/engine/tokens/model_tokenizer.h"

#include <fmt/format.h>

#include <ctime>
#include <set>

#include "expo/core/error.h"
#include "expo/extrapolation/diagnosis/model_files.h"
#include "expo/extrapolation/write/input_digest.h"
#include "expo/text/unwritten_keys.h"

namespace expo {
namespace {

/// Today's date in the local time zone, as strftime_now of a chat template returns it.
std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char text[16] = {};
  std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
  return text;
}

ChatTokenizer read_chat_tokenizer(Filesystem& filesystem, const Checkpoint& checkpoint,
                                  const TemplateSpec& spec, std::string& digest) {
  std::string all;
  std::vector<TextFile> files;
  for (const Sidecar& sidecar : checkpoint.sidecars()) {
    files.push_back({sidecar.name, [&, name = sidecar.name] {
                       std::string text = sidecar_text(filesystem, checkpoint, name).value();
                       all += text;
                       return text;
                     }});
  }
  ChatTokenizer chat = ChatTokenizer::from_files(files, checkpoint.location());
  if (spec.chat_template) {
    const std::string source = filesystem.read_text(*spec.chat_template);
    chat.set_template(source, spec.chat_template->string());
    all += source;
  } else if (!spec.raw_text && !chat.has_template()) {
    throw input_error(checkpoint.location() +
                      ": the model has no chat template; give one with --chat-template FILE, or "
                      "--no-chat-template for text as it is");
  }
  digest = text_digest(all);
  return chat;
}

/// Adds the id or the list of ids under "eos_token_id"; throws Error(input) for anything else.
void add_end_tokens(const Json& config, const std::string& where, std::set<TokenId>& tokens) {
  const auto found = config.find("eos_token_id");
  if (found == config.end() || found->is_null()) return;
  for (const Json& id : found->is_array() ? *found : Json::array({*found})) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > 0xFFFFFFFF)
      throw input_error(where + ": eos_token_id is neither a token id nor a list of token ids");
    tokens.insert(id.get<TokenId>());
  }
}

std::vector<TokenId> read_end_tokens(Filesystem& filesystem, const Checkpoint& checkpoint,
                                     const ChatTokenizer& chat) {
  std::set<TokenId> tokens;
  add_end_tokens(checkpoint.config(), checkpoint.location() + "/config.json", tokens);
  if (const auto text = sidecar_text(filesystem, checkpoint, "generation_config.json")) {
    const std::string where = checkpoint.location() + "/generation_config.json";
    const Json config = parse_json(*text, where);
    if (!config.is_object()) throw input_error(where + ": not a JSON object");
    add_end_tokens(config, where, tokens);
  }
  if (const auto eos = chat.special_id("eos_token")) tokens.insert(*eos);
  return {tokens.begin(), tokens.end()};
}

/// The conversation without its answer.
Conversation prompt_of(const Conversation& answered) {
  Conversation prompt = answered;
  prompt.chat.messages.erase(prompt.chat.messages.size() - 1);
  return prompt;
}

}  // namespace

ModelTokenizer::ModelTokenizer(Filesystem& filesystem, const Checkpoint& checkpoint,
                               const TemplateSpec& spec)
    : chat_(read_chat_tokenizer(filesystem, checkpoint, spec, digest_)),
      options_{.template_name = {},
               .variables = spec.template_variables,
               .seconds_since_epoch = spec.moment},
      raw_text_(spec.raw_text),
      end_tokens_(read_end_tokens(filesystem, checkpoint, chat_)) {}

std::vector<TokenId> ModelTokenizer::encode(const Conversation& conversation) const {
  try {
    if (raw_text_) return encode_raw(conversation);
    ChatOptions options = options_;
    options.add_generation_prompt = !conversation.is_answered();
    if (conversation.is_answered()) refuse_unwritten_answer(conversation, options);
    return chat_.encode(conversation.chat, options);
  } catch (const Error& error) {
    throw Error(error.category(), fmt::format("{}: {}", conversation.place, error.what()));
  }
}

void ModelTokenizer::refuse_unwritten_answer(const Conversation& answered,
                                             const ChatOptions& options) const {
  const Json& messages = answered.chat.messages;
  if (!content_text(messages.back()).empty()) return;
  const PreparedChat prepared = chat_.prepare(answered.chat, options);
  refuse_unwritten(prepared, prepared.render(false).text, messages, messages.size() - 1);
}

std::vector<TokenId> ModelTokenizer::encode_raw(const Conversation& conversation) const {
  std::string text;
  for (const Json& message : conversation.chat.messages) text += content_text(message);
  if (conversation.chat.messages.size() > (conversation.is_answered() ? 2 : 1)) {
    throw input_error(
        "it has several turns, which only a chat template can join; --no-chat-template takes only "
        "single prompts");
  }
  return chat_.encode_text(text);
}

std::vector<TokenId> ModelTokenizer::encode_answer(const Conversation& answered) const {
  const Json& turn = answered.chat.messages.back();
  if (const auto keys = keys_beside_content(turn); !keys.empty()) {
    throw input_error(
        fmt::format("{}: the answer has {} beside its text, but log-probabilities are those of an "
                    "answer's text alone; leave the row out, or remove that key",
                    answered.place, keys.front()));
  }
  return tokenizer().encode(content_text(turn), SpecialTokens::keep_out);
}

void ModelTokenizer::add_time(Json& identity) const {
  if (!asks_for_time()) return;
  if (options_.seconds_since_epoch) {
    identity["moment"] = *options_.seconds_since_epoch;
  } else {
    identity["date"] = today();
  }
}

AnsweredTokens ModelTokenizer::encode_answered(const Conversation& answered) const {
  AnsweredTokens result{.tokens = encode(prompt_of(answered))};
  result.answer_start = result.tokens.size();
  if (result.answer_start == 0) {
    throw input_error(answered.place +
                      ": the prompt has no tokens, and the first token of an answer has a "
                      "probability only after another token; leave the row out");
  }
  const auto answer = encode_answer(answered);
  result.tokens.insert(result.tokens.end(), answer.begin(), answer.end());
  return result;
}

}  // namespace expo
