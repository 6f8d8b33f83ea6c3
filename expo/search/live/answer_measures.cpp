#include "expo/search/live/answer_measures.h"

#include <algorithm>
#include <set>

#include "expo/core/text.h"

namespace expo {
namespace {

constexpr std::size_t kRepeatingWords = 20;
constexpr std::size_t kRepeatedNgram = 4;
constexpr double kRepeatingShare = 0.5;

bool is_space(char byte) {
  return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/// The bytes of the character that begins at `at`.
std::size_t character_size(std::string_view text, std::size_t at) {
  std::size_t size = 1;
  while (at + size < text.size() && continues_character(text[at + size])) ++size;
  return size;
}

/// Whether a character is U+2E80 or later, of which UTF-8 begins with E2 BA 80.
bool is_word_alone(std::string_view character) {
  return character >= std::string_view("\xE2\xBA\x80");
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  std::size_t begin = 0;
  const auto end_word = [&](std::size_t end) {
    if (end > begin) words.push_back(text.substr(begin, end - begin));
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view character = text.substr(at, character_size(text, at));
    const bool alone = is_word_alone(character);
    if (alone || is_space(text[at])) {
      end_word(at);
      if (alone) words.push_back(character);
      begin = at + character.size();
    }
    at += character.size();
  }
  end_word(text.size());
  return words;
}

}  // namespace

double distinct_share(std::span<const std::string_view> texts, std::size_t n) {
  std::set<std::vector<std::string_view>> seen;
  std::size_t all = 0;
  for (const std::string_view text : texts) {
    const auto words = words_of(text);
    for (std::size_t first = 0; first + n <= words.size(); ++first, ++all) {
      const auto begin = words.begin() + static_cast<std::ptrdiff_t>(first);
      seen.emplace(begin, begin + static_cast<std::ptrdiff_t>(n));
    }
  }
  return all == 0 ? 1 : static_cast<double>(seen.size()) / static_cast<double>(all);
}

double distinct_share(std::string_view text, std::size_t n) {
  return distinct_share(std::span(&text, 1), n);
}

std::vector<Measure> measures_of_answers(const std::vector<std::string>& objectives) {
  std::vector<Measure> result;
  for (const std::string& name : objectives) result.push_back({name, true});
  result.push_back({"repetition"});
  result.push_back({"distinct_2"});
  return result;
}

std::vector<double> measures_of(std::string_view text) {
  return {1 - distinct_share(text, kRepeatedNgram), distinct_share(text, 2)};
}

Collapse collapse_of(std::string_view text, FinishReason finish) {
  const std::size_t words = words_of(text).size();
  if (words == 0) return Collapse::empty;
  if (words >= kRepeatingWords && 1 - distinct_share(text, kRepeatedNgram) > kRepeatingShare)
    return Collapse::repeating;
  return finish == FinishReason::length ? Collapse::endless : Collapse::none;
}

}  // namespace expo
