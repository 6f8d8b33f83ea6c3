#include "expo/evaluation/judge/cost_forecast.h"

#include <algorithm>
#include <cmath>

namespace expo {

ForecastLength ForecastLength::unwritten(std::uint64_t most_tokens, std::uint64_t likely) {
  constexpr std::uint64_t kBytesOfToken = 4;  // each of which may be a token of the judge's
  const std::uint64_t largest = kBytesOfToken * most_tokens;
  return {std::min(likely, largest), largest};
}

void CostForecast::add(const std::string& instruction, ForecastLength baseline,
                       ForecastLength model, double likely, std::uint64_t most) {
  const ChatRequest request{0, template_.render(instruction, "", "").messages};
  const ChatUsage usual = likely_usage(request, options_.sampling, baseline.likely + model.likely);
  const ChatUsage worst =
      largest_usage(request, options_.sampling, baseline.largest + model.largest);
  likely_requests_ += likely;
  likely_prompt_tokens_ += likely * static_cast<double>(usual.prompt_tokens);
  likely_completion_tokens_ += likely * static_cast<double>(usual.completion_tokens);
  requests_ += most;
  largest_.prompt_tokens += most * worst.prompt_tokens;
  largest_.completion_tokens += most * worst.completion_tokens;
}

JudgeEstimate CostForecast::estimate() const {
  const auto rounded = [](double value) { return static_cast<std::uint64_t>(std::llround(value)); };
  JudgeEstimate estimate{
      .requests = requests_,
      .likely = {rounded(likely_prompt_tokens_), rounded(likely_completion_tokens_)},
      .largest = largest_};
  if (options_.prices) {
    estimate.likely_cost = options_.prices->of(estimate.likely);
    estimate.largest_cost = options_.prices->of(estimate.largest);
  }
  return estimate;
}

std::uint64_t CostForecast::likely_requests() const {
  return static_cast<std::uint64_t>(std::llround(likely_requests_));
}

}  // namespace expo
