#include "expo/text/chat_tokenizer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "expo/core/error.h"

namespace expo {
namespace {

constexpr std::string_view kFolder = "additional_chat_templates/";
constexpr std::string_view kSuffix = ".jinja";

const TextFile* find(std::span<const TextFile> files, std::string_view name) {
  const auto found = std::ranges::find(files, name, &TextFile::name);
  return found == files.end() ? nullptr : &*found;
}

Json read_object(std::span<const TextFile> files, std::string_view name, std::string_view where) {
  const TextFile* file = find(files, name);
  if (file == nullptr) return Json::object();
  const std::string place = fmt::format("{}/{}", where, name);
  Json json = parse_json(file->read(), place);
  if (!json.is_object()) throw input_error(place + ": not a JSON object");
  return json;
}

/// The text of a token that is given as "<s>" or, in older files, as {"content": "<s>", …}.
std::optional<std::string> token_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object() && value.contains("content") && value["content"].is_string())
    return value["content"].get<std::string>();
  return std::nullopt;
}

void add_special_tokens(const Json& config, std::map<std::string, std::string>& tokens) {
  for (const auto& [key, value] : config.items()) {
    if (!key.ends_with("_token") || key.starts_with("add_")) continue;
    if (auto token = token_text(value)) tokens.insert_or_assign(key, std::move(*token));
  }
}

}  // namespace

ChatTokenizer ChatTokenizer::from_files(std::span<const TextFile> files, std::string_view where) {
  const TextFile* file = find(files, "tokenizer.json");
  if (file == nullptr) {
    throw input_error(fmt::format(
        "{}: there is no tokenizer.json; for a model that has only tokenizer.model or vocab.json, "
        "transformers writes one: AutoTokenizer.from_pretrained(…).save_pretrained(…)",
        where));
  }
  const std::string place = fmt::format("{}/tokenizer.json", where);
  ChatTokenizer result(Tokenizer::from_json(file->read(), place), where);
  const Json config = read_object(files, "tokenizer_config.json", where);
  add_special_tokens(read_object(files, "special_tokens_map.json", where), result.special_tokens_);
  add_special_tokens(config, result.special_tokens_);
  result.add_templates(config, files);
  result.find_leading_tokens();
  return result;
}

void ChatTokenizer::add_templates(const Json& config, std::span<const TextFile> files) {
  const auto add = [&](const std::string& name, std::string_view source, std::string_view place) {
    templates_.insert_or_assign(name, ChatTemplate::from_source(source, place));
  };
  const std::string in_config = where_ + "/tokenizer_config.json";
  const Json templates = config.value("chat_template", Json());
  if (templates.is_string()) add("default", templates.get<std::string>(), in_config);
  for (const Json& named : templates.is_array() ? templates : Json::array()) {
    if (!named.is_object() || !named.contains("name") || !named.contains("template") ||
        !named["name"].is_string() || !named["template"].is_string()) {
      throw input_error(
          in_config +
          ": chat_template holds an entry that is not of the form {\"name\", \"template\"}");
    }
    add(named["name"].get<std::string>(), named["template"].get<std::string>(), in_config);
  }
  for (const TextFile& file : files) {
    const std::string_view name = file.name;
    if (name == "chat_template.jinja") add("default", file.read(), where_ + "/" + file.name);
    if (name.starts_with(kFolder) && name.ends_with(kSuffix)) {
      const auto stem = name.substr(kFolder.size(), name.size() - kFolder.size() - kSuffix.size());
      add(std::string(stem), file.read(), where_ + "/" + file.name);
    }
  }
}

void ChatTokenizer::set_template(std::string_view source, std::string_view where) {
  ChatTemplate given = ChatTemplate::from_source(source, where);
  templates_.clear();
  templates_.emplace("default", std::move(given));
}

bool ChatTokenizer::asks_for_time() const {
  return std::ranges::any_of(templates_,
                             [](const auto& one) { return one.second.asks_for_time(); });
}

/// Encodes an empty text, which shows the tokens that the tokenizer puts before any text.
void ChatTokenizer::find_leading_tokens() {
  const auto bos = special_id("bos_token");
  const auto ids = tokenizer_.encode("", SpecialTokens::keep);
  if (bos && !ids.empty() && ids.front() == *bos) leading_bos_ = bos;
}

std::optional<TokenId> ChatTokenizer::special_id(std::string_view name) const {
  const auto found = special_tokens_.find(std::string(name));
  if (found == special_tokens_.end()) return std::nullopt;
  return tokenizer_.id(found->second);
}

const ChatTemplate& ChatTokenizer::choose(const ChatOptions& options) const {
  if (templates_.empty()) {
    throw input_error(where_ +
                      ": the model has no chat template; give one with --chat-template FILE");
  }
  const bool tools = options.variables.contains("tools") && !options.variables["tools"].is_null();
  std::string name = tools && templates_.contains("tool_use") ? "tool_use" : "default";
  if (options.template_name) name = *options.template_name;
  const auto found = templates_.find(name);
  if (found != templates_.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& [other, _] : templates_) known.push_back(other);
  throw input_error(fmt::format("{}: there is no chat template \"{}\", only {}", where_, name,
                                fmt::join(known, ", ")));
}

std::string ChatTokenizer::render(const Json& messages, const ChatOptions& options) const {
  Json variables = Json::object();
  for (const auto& [name, token] : special_tokens_) variables[name] = token;
  variables["messages"] = messages;
  variables["tools"] = nullptr;
  variables["documents"] = nullptr;
  variables["add_generation_prompt"] = options.add_generation_prompt;
  for (const auto& [name, value] : options.variables.items()) variables[name] = value;
  return choose(options).render(variables, options.seconds_since_epoch);
}

std::vector<TokenId> ChatTokenizer::encode(const Json& messages, const ChatOptions& options) const {
  auto ids = tokenizer_.encode(render(messages, options), SpecialTokens::keep_out);
  if (leading_bos_ && (ids.empty() || ids.front() != *leading_bos_))
    ids.insert(ids.begin(), *leading_bos_);
  return ids;
}

std::vector<TokenId> ChatTokenizer::encode_text(std::string_view text) const {
  auto ids = tokenizer_.encode(text, SpecialTokens::keep);
  if (leading_bos_ && ids.size() > 1 && ids[1] == *leading_bos_) ids.erase(ids.begin());
  return ids;
}

}  // namespace expo
