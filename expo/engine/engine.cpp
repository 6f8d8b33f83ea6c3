#include "expo/engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "expo/core/error.h"

namespace expo {

std::vector<std::string> EngineDescription::warnings_beyond(
    const std::vector<std::string>& known) const {
  std::vector<std::string> result;
  std::ranges::copy_if(warnings, std::back_inserter(result), [&](const std::string& warning) {
    return std::ranges::find(known, warning) == known.end();
  });
  return result;
}

void Engine::refuse(const char* what) const {
  const EngineDescription self = describe();
  throw usage_error(
      fmt::format("{} ({}): this engine cannot {}; choose another kind of engine for that role",
                  self.name, self.kind, what));
}

std::vector<std::filesystem::path> Engine::sources() const {
  return {};
}

Json Engine::digests(const CancellationToken&) const {
  return Json::array();
}

std::optional<std::vector<std::size_t>> Engine::count_tokens(std::span<const Conversation>) {
  return std::nullopt;
}

std::optional<std::vector<std::size_t>> Engine::count_log_prob_tokens(
    std::span<const Conversation>) {
  return std::nullopt;
}

AnswerStatistics Engine::answer(std::span<const Conversation>, std::span<const AnswerTask>,
                                const AnswerOptions&, const AnswerSink&, const TokenSink&,
                                const CancellationToken&) {
  refuse("answer prompts");
}

std::vector<std::vector<float>> Engine::rewards(std::span<const Conversation>, const TokenSink&,
                                                const CancellationToken&) {
  refuse("compute rewards");
}

std::vector<std::vector<float>> Engine::log_probs(std::span<const Conversation>, const TokenSink&,
                                                  const CancellationToken&) {
  refuse("compute log-probabilities of answers");
}

void Engine::move_to(const AlphaSchedule&, const CancellationToken&) {
  refuse("move to another alpha");
}

}  // namespace expo
