#include "expo/checkpoint/gguf/pre_tokenizer.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace expo {
namespace {

/// The ways in which families of tokenizers split text. The regular expressions are those in the
/// tokenizer.json of the models that the families are named after.
enum class Split { gpt2, digits, llama3, qwen2, tekken, gpt4o, fallback };

struct Family {
  std::string_view name;
  Split split;
  bool ignore_merges = false;
  bool add_bos = false;
  bool nfc = false;
};

// Names and properties follow llama.cpp's code that loads vocabularies.
constexpr std::array kFamilies{
    Family{"gpt-2", Split::gpt2},
    Family{"phi-2", Split::gpt2},
    Family{"mpt", Split::gpt2},
    Family{"olmo", Split::gpt2},
    Family{"exaone4", Split::gpt2},
    Family{"gigachat", Split::gpt2},
    Family{"a.x-4.0", Split::gpt2},
    Family{"mellum", Split::gpt2},
    Family{"smollm", Split::digits},
    Family{"starcoder", Split::digits},
    Family{"refact", Split::digits},
    Family{"command-r", Split::digits},
    Family{"codeshell", Split::digits},
    Family{"exaone", Split::digits},
    Family{"minerva-7b", Split::digits},
    Family{"llama-bpe", Split::llama3, true, true},
    Family{"llama3", Split::llama3, true, true},
    Family{"llama-v3", Split::llama3, true, true},
    Family{"falcon3", Split::llama3, true, true},
    Family{"midm-2.0", Split::llama3, true, true},
    Family{"dbrx", Split::llama3},
    Family{"smaug-bpe", Split::llama3},
    Family{"qwen2", Split::qwen2, false, false, true},
    Family{"deepseek-r1-qwen", Split::qwen2},
    Family{"megrez", Split::qwen2},
    Family{"tekken", Split::tekken, true, true},
    Family{"gpt-4o", Split::gpt4o},
    Family{"llama4", Split::gpt4o},
    Family{"kanana2", Split::gpt4o},
    Family{"default", Split::fallback},
};

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kContractions = R"((?i:'s|'t|'re|'ve|'m|'ll|'d))";
constexpr std::string_view kSpaces = R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLower = R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])";
constexpr std::string_view kUpper = R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])";

/// Matches words, then `numbers`, then other characters, then spaces.
std::string words_and_numbers(std::string_view numbers) {
  return std::string(kContractions) + R"(|[^\r\n\p{L}\p{N}]?\p{L}+|)" + std::string(numbers) +
         R"(| ?[^\s\p{L}\p{N}]+[\r\n]*)" + std::string(kSpaces);
}

/// Matches words, split where upper case follows lower case, each with `ending` after it.
std::string cased_words(std::string_view ending, std::string_view numbers) {
  const std::string lower(kLower);
  const std::string upper(kUpper);
  const std::string before = R"([^\r\n\p{L}\p{N}]?)";
  return before + upper + "*" + lower + "+" + std::string(ending) + "|" + before + upper + "+" +
         lower + "*" + std::string(ending) + "|" + std::string(numbers) +
         R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*)" + std::string(kSpaces);
}

/// The expressions that split the text, applied one after the other.
std::vector<std::string> expressions(Split split) {
  switch (split) {
    case Split::llama3:
      return {words_and_numbers(R"(\p{N}{1,3})")};
    case Split::qwen2:
      return {words_and_numbers(R"(\p{N})")};
    case Split::tekken:
      return {cased_words("", R"(\p{N})")};
    case Split::gpt4o:
      return {cased_words(std::string(kContractions) + "?", R"(\p{N}{1,3})")};
    case Split::fallback:
      return {R"([\p{P}\$\+<=>\^~\|]+)", std::string(kGpt2), R"(\p{N}+)", "[0-9][0-9][0-9]"};
    case Split::gpt2:
    case Split::digits:
      break;  // handled by separate pre-tokenizers with names of their own
  }
  return {};
}

Json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

Json pre_tokenizer_of(Split split) {
  if (split == Split::gpt2) return byte_level(true);
  Json steps = Json::array();
  if (split == Split::digits) steps.push_back({{"type", "Digits"}, {"individual_digits", true}});
  for (const std::string& expression : expressions(split)) {
    steps.push_back({{"type", "Split"},
                     {"pattern", {{"Regex", expression}}},
                     {"behavior", "Isolated"},
                     {"invert", false}});
  }
  steps.push_back(byte_level(split == Split::digits));
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

}  // namespace

std::optional<PreTokenizer> pre_tokenizer_named(std::string_view name) {
  const auto* family = std::ranges::find(kFamilies, name.empty() ? "default" : name, &Family::name);
  if (family == kFamilies.end()) return std::nullopt;
  PreTokenizer result;
  result.pre_tokenizer = pre_tokenizer_of(family->split);
  if (family->nfc) result.normalizer = {{"type", "NFC"}};
  result.ignore_merges = family->ignore_merges;
  result.add_bos = family->add_bos;
  return result;
}

}  // namespace expo
