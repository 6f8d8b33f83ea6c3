#include "expo/checkpoint/gguf/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "expo/checkpoint/gguf/pre_tokenizer.h"
#include "expo/checkpoint/gguf/vocabulary.h"
#include "expo/core/error.h"
#include "expo/core/utf8.h"

namespace expo {
namespace {

constexpr std::string_view kSpace = "\u2581";  // SentencePiece's symbol for a space

/// How often the text repeats the unit; std::nullopt if it consists of anything else.
std::optional<std::size_t> run_of(std::string_view text, std::string_view unit) {
  const std::size_t length = text.size() / unit.size();
  for (; text.starts_with(unit); text.remove_prefix(unit.size())) {
  }
  if (!text.empty()) return std::nullopt;
  return length;
}

std::string repeated(std::string_view unit, std::size_t times) {
  std::string text;
  text.reserve(unit.size() * times);
  for (std::size_t i = 0; i < times; ++i) text += unit;
  return text;
}

/// Makes the tokenizer.json of a vocabulary.
class TokenizerMaker {
 public:
  TokenizerMaker(GgufVocabulary& vocabulary, bool gemma) : vocabulary_(vocabulary), gemma_(gemma) {}

  Json byte_level(const PreTokenizer& pre) {
    Json tokenizer = frame();
    tokenizer["normalizer"] = pre.normalizer;
    tokenizer["pre_tokenizer"] = pre.pre_tokenizer;
    const Json bytes = {{"type", "ByteLevel"},
                        {"add_prefix_space", true},
                        {"trim_offsets", true},
                        {"use_regex", true}};
    tokenizer["post_processor"] = begin_or_end() ? template_processor() : bytes;
    tokenizer["decoder"] = bytes;
    tokenizer["model"] = model(vocabulary_.merges, false, pre.ignore_merges);
    return tokenizer;
  }

  Json sentence_piece() {
    respell_spaces();
    Json tokenizer = frame();
    const bool prefix = vocabulary_.add_space_prefix.value_or(true);
    const Json spaces = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpace}};
    Json steps = Json::array();
    if (prefix) steps.push_back({{"type", "Prepend"}, {"prepend", kSpace}});
    steps.push_back(spaces);
    tokenizer["normalizer"] = {{"type", "Sequence"}, {"normalizers", std::move(steps)}};
    tokenizer["pre_tokenizer"] = nullptr;
    tokenizer["post_processor"] = begin_or_end() ? template_processor() : Json(nullptr);
    tokenizer["decoder"] = sentence_piece_decoder(prefix);
    tokenizer["model"] = model(sentence_piece_merges(), true, false);
    return tokenizer;
  }

 private:
  Json frame() const {
    return {{"version", "1.0"},          {"truncation", nullptr},
            {"padding", nullptr},        {"added_tokens", added_tokens()},
            {"normalizer", nullptr},     {"pre_tokenizer", nullptr},
            {"post_processor", nullptr}, {"decoder", nullptr},
            {"model", nullptr}};
  }

  bool is_special(std::size_t id) const {
    if (vocabulary_.has_kinds) {
      return vocabulary_.kinds[id] == TokenKind::control ||
             vocabulary_.kinds[id] == TokenKind::unknown;
    }
    return id == vocabulary_.bos || id == vocabulary_.eos || id == vocabulary_.unknown;
  }

  /// Whether the row only pads the embedding; converters name such rows by their number, and the
  /// model's own tokenizer does not have them.
  bool is_padding(std::size_t id) const {
    return vocabulary_.kinds[id] == TokenKind::unused &&
           vocabulary_.tokens[id] == fmt::format("[PAD{}]", id);
  }

  Json added_tokens() const {
    Json list = Json::array();
    for (std::size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      const bool special = is_special(id);
      if (!special && vocabulary_.kinds[id] != TokenKind::user_defined) continue;
      list.push_back({{"id", id},
                      {"content", vocabulary_.tokens[id]},
                      {"single_word", false},
                      {"lstrip", false},
                      {"rstrip", false},
                      {"normalized", false},
                      {"special", special}});
    }
    return list;
  }

  Json model(const std::vector<std::pair<std::string, std::string>>& merges, bool pieces,
             bool ignore_merges) const {
    Json vocab = Json::object();
    for (std::size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      if (!is_padding(id)) append_member(vocab, vocabulary_.tokens[id], id);
    }
    Json pairs = Json::array();
    for (const auto& [left, right] : merges) pairs.push_back({left, right});
    Json unknown = nullptr;
    if (pieces && vocabulary_.unknown) unknown = vocabulary_.tokens[*vocabulary_.unknown];
    return {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", unknown},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", pieces},
            {"byte_fallback", pieces},
            {"ignore_merges", ignore_merges},
            {"vocab", std::move(vocab)},
            {"merges", std::move(pairs)}};
  }

  // The beginning and the end of a text

  bool begin_or_end() const {
    return vocabulary_.add_bos.value_or(false) || vocabulary_.add_eos.value_or(false);
  }

  /// A template for one text, or for two in a row, each surrounded by the tokens that the file asks
  /// for.
  Json template_processor() const {
    Json special = Json::object();
    const auto around = [&](const char* text, int type) {
      Json part = Json::array();
      const auto add = [&](std::uint64_t id) {
        const std::string& token = vocabulary_.tokens[id];
        part.push_back({{"SpecialToken", {{"id", token}, {"type_id", type}}}});
        special[token] = {{"id", token}, {"ids", {id}}, {"tokens", {token}}};
      };
      if (vocabulary_.add_bos.value_or(false)) add(*vocabulary_.bos);
      part.push_back({{"Sequence", {{"id", text}, {"type_id", type}}}});
      if (vocabulary_.add_eos.value_or(false)) add(*vocabulary_.eos);
      return part;
    };
    Json single = around("A", 0);
    Json pair = single;
    for (Json& item : around("B", 1)) pair.push_back(std::move(item));
    return {{"type", "TemplateProcessing"},
            {"single", std::move(single)},
            {"pair", std::move(pair)},
            {"special_tokens", std::move(special)}};
  }

  // SentencePiece

  /// Replaces the spaces in Gemma's runs of spaces, as converters write them, by U+2581, which its
  /// own vocabulary uses.
  void respell_spaces() {
    std::set<std::size_t> spelled;
    for (const std::string& token : vocabulary_.tokens) {
      if (const auto length = run_of(token, kSpace)) spelled.insert(*length);
    }
    for (std::size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      const auto length = run_of(vocabulary_.tokens[id], " ");
      if (!length || spelled.contains(*length)) continue;
      vocabulary_.tokens[id] = repeated(kSpace, *length);
      vocabulary_.kinds[id] = TokenKind::normal;
    }
  }

  std::vector<std::pair<std::string, std::string>> sentence_piece_merges() const {
    if (!vocabulary_.merges.empty()) return vocabulary_.merges;
    std::vector<float> ranks = vocabulary_.scores;
    // Gemma's scores do not follow the order of its merges, but its ids do.
    if (gemma_) {
      ranks.resize(vocabulary_.tokens.size());
      for (std::size_t id = 0; id < ranks.size(); ++id) ranks[id] = -static_cast<float>(id);
    }
    return derive_merges(vocabulary_.tokens, ranks);
  }

  static Json sentence_piece_decoder(bool prefix) {
    Json steps = {{{"type", "Replace"}, {"pattern", {{"String", kSpace}}}, {"content", " "}},
                  {{"type", "ByteFallback"}},
                  {{"type", "Fuse"}}};
    if (prefix) steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
    return {{"type", "Sequence"}, {"decoders", std::move(steps)}};
  }

  GgufVocabulary& vocabulary_;
  bool gemma_;
};

class SidecarMaker {
 public:
  explicit SidecarMaker(const GgufMetadata& metadata) : metadata_(metadata) {}

  GgufTokenizer make() {
    if (auto vocabulary = read_gguf_vocabulary(metadata_))
      add_tokenizer(*vocabulary);
    else
      warn("the file holds no tokenizer");
    add_template("tokenizer.chat_template", "chat_template.jinja");
    add_named_templates();
    return std::move(result_);
  }

 private:
  void warn(const std::string& reason) {
    result_.warnings.push_back(
        fmt::format("{}: {}, so no tokenizer files can be made; copy them from the original model",
                    metadata_.where(), reason));
  }

  void add_file(std::string name, std::string text) {
    result_.sidecars.push_back({std::move(name), std::move(text)});
  }

  void add_tokenizer(GgufVocabulary& vocabulary) {
    Json tokenizer;
    if (vocabulary.model == "gpt2") {
      tokenizer = make_byte_level(vocabulary);
    } else if (vocabulary.model == "llama") {
      tokenizer = make_sentence_piece(vocabulary);
    } else {
      warn(fmt::format("the tokenizer model \"{}\" is not known", vocabulary.model));
    }
    if (tokenizer.is_null()) return;
    // Written compactly: otherwise a vocabulary takes a line for every token.
    add_file("tokenizer.json", tokenizer.dump() + "\n");
    add_file("tokenizer_config.json", format_json(tokenizer_config(vocabulary)));
  }

  Json make_byte_level(GgufVocabulary& vocabulary) {
    const auto pre = pre_tokenizer_named(vocabulary.pre);
    if (!pre) {
      warn(fmt::format("the pre-tokenizer \"{}\" is not known", vocabulary.pre));
      return nullptr;
    }
    if (vocabulary.pre.empty()) {
      result_.warnings.push_back(
          metadata_.where() +
          ": the file does not name its pre-tokenizer; llama.cpp's default is used, which may "
          "split text differently than during the model's training");
    }
    settle_ends(vocabulary, pre->add_bos);
    return TokenizerMaker(vocabulary, false).byte_level(*pre);
  }

  Json make_sentence_piece(GgufVocabulary& vocabulary) {
    if (vocabulary.removes_extra_spaces) {
      warn("the tokenizer removes spaces (tokenizer.ggml.remove_extra_whitespaces)");
      return nullptr;
    }
    if (vocabulary.merges.empty() && vocabulary.scores.empty())
      throw input_error(metadata_.where() +
                        ": the metadata key \"tokenizer.ggml.scores\" is missing, without which a "
                        "SentencePiece vocabulary cannot be used");
    // If the file does not say, a SentencePiece vocabulary uses Llama's ids.
    const auto default_to = [&](std::optional<std::uint64_t>& id, std::uint64_t value) {
      if (!id && value < vocabulary.tokens.size()) id = value;
    };
    default_to(vocabulary.unknown, 0);
    default_to(vocabulary.bos, 1);
    default_to(vocabulary.eos, 2);
    settle_ends(vocabulary, true);
    const auto architecture = metadata_.string("general.architecture").value_or("");
    return TokenizerMaker(vocabulary, architecture.starts_with("gemma")).sentence_piece();
  }

  /// Decides which tokens are added around a text; a token that is not named cannot be added.
  static void settle_ends(GgufVocabulary& vocabulary, bool add_bos) {
    vocabulary.add_bos = vocabulary.add_bos.value_or(add_bos) && vocabulary.bos.has_value();
    vocabulary.add_eos = vocabulary.add_eos.value_or(false) && vocabulary.eos.has_value();
  }

  Json tokenizer_config(const GgufVocabulary& vocabulary) const {
    const auto token = [&](const std::optional<std::uint64_t>& id) {
      return id ? Json(vocabulary.tokens[*id]) : Json(nullptr);
    };
    Json config = {{"add_bos_token", vocabulary.add_bos.value_or(false)},
                   {"add_eos_token", vocabulary.add_eos.value_or(false)},
                   {"bos_token", token(vocabulary.bos)},
                   {"eos_token", token(vocabulary.eos)},
                   {"unk_token", token(vocabulary.unknown)},
                   {"pad_token", token(vocabulary.padding)},
                   {"clean_up_tokenization_spaces", false}};
    const std::string_view architecture = metadata_.string("general.architecture").value_or("");
    if (const auto length = metadata_.integer(fmt::format("{}.context_length", architecture)))
      config["model_max_length"] = *length;
    // The class that uses tokenizer.json unchanged.
    config["tokenizer_class"] = "PreTrainedTokenizerFast";
    return config;
  }

  // Chat templates

  void add_template(const std::string& key, const std::string& file) {
    const auto text = metadata_.string(key);
    if (!text) return;
    if (!valid_utf8(*text))
      throw input_error(
          fmt::format("{}: the metadata key \"{}\" is not UTF-8", metadata_.where(), key));
    add_file(file, std::string(*text));
  }

  /// Adds further templates ("tool_use"), which have keys of their own.
  void add_named_templates() {
    const std::string prefix = "tokenizer.chat_template.";
    const auto safe = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '_' || c == '-';
    };
    for (const GgufEntry& entry : metadata_.entries()) {
      if (!entry.key.starts_with(prefix) || entry.type != GgufType::string) continue;
      const std::string name = entry.key.substr(prefix.size());
      if (!name.empty() && std::ranges::all_of(name, safe))
        add_template(entry.key, fmt::format("additional_chat_templates/{}.jinja", name));
      else
        result_.warnings.push_back(fmt::format(
            "{}: the name of the chat template \"{}\" cannot be a file name, so it is left "
            "out",
            metadata_.where(), name));
    }
  }

  const GgufMetadata& metadata_;
  GgufTokenizer result_;
};

}  // namespace

GgufTokenizer make_gguf_tokenizer(const GgufMetadata& metadata) {
  return SidecarMaker(metadata).make();
}

}  // namespace expo
