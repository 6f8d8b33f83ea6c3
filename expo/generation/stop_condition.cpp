#include "expo/generation/stop_condition.h"

#include <algorithm>
#include <utility>

#include "expo/core/error.h"

namespace expo {
namespace {

std::string_view without_unfinished_end(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  while (text.ends_with(kReplacement)) text.remove_suffix(kReplacement.size());
  return text;
}

}  // namespace

StopCondition::StopCondition(StopOptions options) : options_(std::move(options)) {
  if (std::ranges::any_of(options_.strings, &std::string::empty)) {
    throw usage_error(
        "a stop string is empty, which would end every output at once; leave it out or give text");
  }
  if (options_.max_tokens == 0u) throw usage_error("max_tokens is 0; expected at least 1");
}

std::optional<Finish> StopCondition::feed(TokenId token, std::string_view text) {
  ++tokens_;
  if (std::ranges::find(options_.tokens, token) != options_.tokens.end())
    return Finish{FinishReason::stop, text_size_, token, {}};
  const std::string_view settled = without_unfinished_end(text);
  if (auto finish = find_string(settled)) return finish;
  searched_ = settled.size();
  text_size_ = text.size();
  if (tokens_ == options_.max_tokens) return Finish{FinishReason::length, text_size_, {}, {}};
  return std::nullopt;
}

std::optional<Finish> StopCondition::find_string(std::string_view text) const {
  std::optional<Finish> earliest;
  std::size_t earliest_end = std::string_view::npos;
  for (const std::string& string : options_.strings) {
    // An occurrence that begins earlier would end in text that was searched already.
    const std::size_t from = searched_ - std::min(searched_, string.size() - 1);
    const std::size_t at = text.find(string, from);
    if (at == std::string_view::npos || at + string.size() >= earliest_end) continue;
    earliest_end = at + string.size();
    earliest = Finish{FinishReason::stop, at, {}, string};
  }
  return earliest;
}

}  // namespace expo
