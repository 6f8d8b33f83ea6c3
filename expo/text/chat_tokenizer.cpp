#include "expo/text/chat_tokenizer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ctime>

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

/// The local clock, as a moment that reads the same in UTC.
std::int64_t local_seconds() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return static_cast<std::int64_t>(now) + local.tm_gmtoff;
}

bool has_value(const Json& variables, const char* name) {
  return variables.contains(name) && !variables[name].is_null();
}

/// Whether a template joins the parts of a content itself: others refuse a list, or print it as
/// Python shows one.
bool reads_parts(const ChatTemplate& chat_template, const std::string& variables) {
  constexpr const char* kProbe = "xq7zj";
  const Json message = {{"role", "user"},
                        {"content", Json::array({{{"type", "text"}, {"text", kProbe}}})}};
  try {
    const PreparedChat probe(chat_template, Json::array({message}), variables, true, 0);
    const std::string text = probe.render(true).text;
    return text.find(kProbe) != std::string::npos && text.find("'type'") == std::string::npos &&
           text.find("\"type\"") == std::string::npos;
  } catch (const Error&) {
    return false;
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
  const std::string in_config = where_ + "/tokenizer_config.json";
  const Json templates = config.value("chat_template", Json());
  if (templates.is_string()) add_template("default", templates.get<std::string>(), in_config);
  for (const Json& named : templates.is_array() ? templates : Json::array()) {
    if (!named.is_object() || !named.contains("name") || !named.contains("template") ||
        !named["name"].is_string() || !named["template"].is_string()) {
      throw input_error(
          in_config +
          ": chat_template holds an entry that is not of the form {\"name\", \"template\"}");
    }
    add_template(named["name"].get<std::string>(), named["template"].get<std::string>(), in_config);
  }
  for (const TextFile& file : files) {
    const std::string_view name = file.name;
    if (name == "chat_template.jinja")
      add_template("default", file.read(), where_ + "/" + file.name);
    if (name.starts_with(kFolder) && name.ends_with(kSuffix)) {
      const auto stem = name.substr(kFolder.size(), name.size() - kFolder.size() - kSuffix.size());
      add_template(std::string(stem), file.read(), where_ + "/" + file.name);
    }
  }
}

void ChatTokenizer::add_template(const std::string& name, std::string_view source,
                                 std::string_view where) {
  const ChatTemplate chat_template = ChatTemplate::from_source(source, where);
  const bool reads = reads_parts(chat_template, variables_for({}, {}));
  templates_.insert_or_assign(name, NamedTemplate{chat_template, reads});
}

void ChatTokenizer::set_template(std::string_view source, std::string_view where) {
  std::map<std::string, NamedTemplate> before = std::exchange(templates_, {});
  try {
    add_template("default", source, where);
  } catch (...) {
    templates_ = std::move(before);
    throw;
  }
}

bool ChatTokenizer::asks_for_time() const {
  return std::ranges::any_of(
      templates_, [](const auto& one) { return one.second.chat_template.asks_for_time(); });
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

const ChatTokenizer::NamedTemplate& ChatTokenizer::choose(const ChatOptions& options,
                                                          const Chat& chat) const {
  if (templates_.empty()) {
    throw input_error(where_ +
                      ": the model has no chat template; give one with --chat-template FILE, in "
                      "expo train with --chat-template-path FILE");
  }
  const bool tools = has_value(chat.variables, "tools") || has_value(options.variables, "tools");
  std::string name = tools && templates_.contains("tool_use") ? "tool_use" : "default";
  if (options.template_name) name = *options.template_name;
  const auto found = templates_.find(name);
  if (found != templates_.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& [other, _] : templates_) known.push_back(other);
  throw input_error(fmt::format("{}: there is no chat template \"{}\", only {}", where_, name,
                                fmt::join(known, ", ")));
}

/// Each member followed by a comma; of a name that occurs twice the last value counts.
std::string ChatTokenizer::variables_for(const ChatOptions& options, const Chat& chat) const {
  std::string text;
  const auto add = [&](const std::string& name, const Json& value) {
    text += compact_json(name) + ':' + compact_json(value) + ',';
  };
  for (const auto& [name, token] : special_tokens_) add(name, token);
  add("tools", nullptr);
  add("documents", nullptr);
  for (const Json* variables : {&options.variables, &chat.variables}) {
    for (const auto& [name, value] : variables->items()) add(name, value);
  }
  return text;
}

PreparedChat ChatTokenizer::prepare(const Chat& chat, const ChatOptions& options) const {
  const NamedTemplate& chosen = choose(options, chat);
  std::optional<std::int64_t> moment = options.seconds_since_epoch;
  if (!moment && chosen.chat_template.asks_for_time()) moment = local_seconds();
  return {chosen.chat_template, chat.messages, variables_for(options, chat), chosen.reads_parts,
          moment};
}

std::string ChatTokenizer::render(const Chat& chat, const ChatOptions& options) const {
  return prepare(chat, options).render(options.add_generation_prompt).text;
}

std::vector<TokenId> ChatTokenizer::encode(const Chat& chat, const ChatOptions& options) const {
  auto ids = tokenizer_.encode(render(chat, options), SpecialTokens::keep_out);
  if (leading_bos_ && (ids.empty() || ids.front() != *leading_bos_))
    ids.insert(ids.begin(), *leading_bos_);
  return ids;
}

EncodedText ChatTokenizer::encode_rendered(std::string_view text) const {
  EncodedText encoded = tokenizer_.encode_with_places(text, SpecialTokens::keep_out);
  if (leading_bos_ && (encoded.ids.empty() || encoded.ids.front() != *leading_bos_)) {
    encoded.ids.insert(encoded.ids.begin(), *leading_bos_);
    encoded.places.insert(encoded.places.begin(), TextSpan{});
  }
  return encoded;
}

std::vector<TokenId> ChatTokenizer::encode_text(std::string_view text) const {
  auto ids = tokenizer_.encode(text, SpecialTokens::keep);
  if (leading_bos_ && ids.size() > 1 && ids[1] == *leading_bos_) ids.erase(ids.begin());
  return ids;
}

}  // namespace expo
