#include "expo/checkpoint/gguf/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "expo/core/error.h"
#include "expo/core/utf8.h"

namespace expo {
namespace {

/// Far above the length of the longest token of any vocabulary.
constexpr std::size_t kLongestToken = 1'000'000;

class Reader {
 public:
  explicit Reader(const GgufMetadata& metadata) : metadata_(metadata) {}

  GgufVocabulary read() {
    result_.model = text("tokenizer.ggml.model");
    result_.pre = text("tokenizer.ggml.pre");
    read_tokens();
    read_kinds();
    read_scores();
    read_merges();
    result_.bos = id("tokenizer.ggml.bos_token_id");
    result_.eos = id("tokenizer.ggml.eos_token_id");
    result_.unknown = id("tokenizer.ggml.unknown_token_id");
    result_.padding = id("tokenizer.ggml.padding_token_id");
    result_.add_bos = metadata_.boolean("tokenizer.ggml.add_bos_token");
    result_.add_eos = metadata_.boolean("tokenizer.ggml.add_eos_token");
    result_.add_space_prefix = metadata_.boolean("tokenizer.ggml.add_space_prefix");
    result_.removes_extra_spaces =
        metadata_.boolean("tokenizer.ggml.remove_extra_whitespaces").value_or(false);
    return std::move(result_);
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw input_error(metadata_.where() + ": " + message);
  }

  std::string text(std::string_view key) const {
    const std::string_view value = metadata_.string(key).value_or("");
    if (!valid_utf8(value)) fail(fmt::format("the metadata key \"{}\" is not UTF-8", key));
    return std::string(value);
  }

  void read_tokens() {
    const auto tokens = metadata_.strings("tokenizer.ggml.tokens");
    if (!tokens || tokens->empty()) fail("the metadata key \"tokenizer.ggml.tokens\" is missing");
    result_.tokens.reserve(tokens->size());
    for (std::size_t i = 0; i < tokens->size(); ++i) {
      if ((*tokens)[i].size() > kLongestToken)
        fail(
            fmt::format("the token {} has {} bytes, but at most {} are expected; the file is "
                        "damaged",
                        i, (*tokens)[i].size(), kLongestToken));
      if (!valid_utf8((*tokens)[i])) fail(fmt::format("the token {} is not UTF-8", i));
      // llama.cpp's spelling of tokens that a converter has lost.
      result_.tokens.push_back((*tokens)[i].empty() ? fmt::format("[EMPTY_{}]", i)
                                                    : std::string((*tokens)[i]));
    }
    for (const std::string& token : result_.tokens) {
      if (!known_.insert(token).second)
        fail(fmt::format("the token {} occurs twice in the vocabulary", printable(token)));
    }
  }

  void check_length(std::string_view key, std::size_t length) const {
    if (length != result_.tokens.size())
      fail(fmt::format("\"{}\" has {} entries for {} tokens", key, length, result_.tokens.size()));
  }

  void read_kinds() {
    constexpr std::string_view kKey = "tokenizer.ggml.token_type";
    const auto kinds = metadata_.integers(kKey);
    result_.kinds.assign(result_.tokens.size(), TokenKind::normal);
    result_.has_kinds = kinds.has_value();
    if (!kinds) return;
    check_length(kKey, kinds->size());
    for (std::size_t i = 0; i < kinds->size(); ++i) {
      if ((*kinds)[i] >= 1 && (*kinds)[i] <= 6)
        result_.kinds[i] = static_cast<TokenKind>((*kinds)[i]);
    }
  }

  void read_scores() {
    constexpr std::string_view kKey = "tokenizer.ggml.scores";
    auto scores = metadata_.reals(kKey);
    if (!scores) return;
    check_length(kKey, scores->size());
    for (const float score : *scores) {
      if (score != score) fail("a token's score is not a number");
    }
    result_.scores = *std::move(scores);
  }

  void read_merges() {
    const auto merges = metadata_.strings("tokenizer.ggml.merges");
    if (!merges) return;
    for (std::size_t i = 0; i < merges->size(); ++i) {
      const std::string_view merge = (*merges)[i];
      // The first piece has at least one character, which may be a space.
      const std::size_t space = merge.find(' ', 1);
      if (space == std::string_view::npos || space + 1 == merge.size() || !valid_utf8(merge))
        fail(fmt::format("the merge {} is not two pieces with a space between them", i));
      check_merge(i, merge.substr(0, space), merge.substr(space + 1));
      result_.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
    }
  }

  void check_merge(std::size_t number, std::string_view left, std::string_view right) const {
    const std::string whole = std::string(left) + std::string(right);
    for (const std::string_view piece : {left, right, std::string_view(whole)}) {
      if (!known_.contains(piece))
        fail(fmt::format("the merge {} has the piece {}, which is not a token", number,
                         printable(piece)));
    }
  }

  std::optional<std::uint64_t> id(std::string_view key) const {
    const auto value = metadata_.integer(key);
    if (value && *value >= result_.tokens.size())
      fail(fmt::format("\"{}\" is {}, but the vocabulary has {} tokens", key, *value,
                       result_.tokens.size()));
    return value;
  }

  const GgufMetadata& metadata_;
  GgufVocabulary result_;
  std::unordered_set<std::string_view> known_;  // views of result_.tokens
};

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

/// Longer tokens are not split: far above what vocabularies have, and a bound on the work.
constexpr std::size_t kLongestMerge = 256;

struct Candidate {
  std::uint32_t token;
  std::uint32_t left;
  std::uint32_t right;
  float rank;
  std::uint32_t left_length;
  std::uint32_t right_length;
};

}  // namespace

std::optional<GgufVocabulary> read_gguf_vocabulary(const GgufMetadata& metadata) {
  if (metadata.find("tokenizer.ggml.model") == nullptr) return std::nullopt;
  return Reader(metadata).read();
}

std::vector<std::pair<std::string, std::string>> derive_merges(
    const std::vector<std::string>& tokens, const std::vector<float>& ranks) {
  std::unordered_map<std::string_view, std::uint32_t> ids;
  for (std::size_t i = 0; i < tokens.size(); ++i) ids[tokens[i]] = static_cast<std::uint32_t>(i);
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view token = tokens[i];
    if (token.size() > kLongestMerge) continue;
    for (std::size_t cut = 1; cut < token.size(); ++cut) {
      const auto left = ids.find(token.substr(0, cut));
      if (left == ids.end()) continue;
      const auto right = ids.find(token.substr(cut));
      if (right == ids.end()) continue;
      candidates.push_back({static_cast<std::uint32_t>(i), left->second, right->second, ranks[i],
                            static_cast<std::uint32_t>(code_points(left->first)),
                            static_cast<std::uint32_t>(code_points(right->first))});
    }
  }
  std::ranges::sort(candidates, [](const Candidate& a, const Candidate& b) {
    if (a.rank != b.rank) return a.rank > b.rank;
    if (a.left_length != b.left_length) return a.left_length > b.left_length;
    if (a.right_length != b.right_length) return a.right_length > b.right_length;
    return std::tie(a.token, a.left, a.right) < std::tie(b.token, b.left, b.right);
  });
  std::vector<std::pair<std::string, std::string>> merges;
  merges.reserve(candidates.size());
  for (const Candidate& candidate : candidates)
    merges.emplace_back(tokens[candidate.left], tokens[candidate.right]);
  return merges;
}

}  // namespace expo
