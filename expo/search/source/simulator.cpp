#include "expo/search/source/simulator.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "expo/core/philox.h"
#include "expo/search/source/alpha_place.h"
#include "expo/search/statistics/distributions.h"

namespace expo {
namespace {

constexpr double kFirstPlace = -3.1;  // α = −1.06
constexpr double kLastPlace = 8.0;    // α = 149

/// Student's t with 3 degrees of freedom and variance 1, from four normal deviates.
double heavy_deviate(const RandomStream& stream) {
  const auto [a, b] = stream.normal_pair(0);
  const auto [c, d] = stream.normal_pair(1);
  return a / std::sqrt(b * b + c * c + d * d);  // t₃ has the variance 3
}

/// A stream's number for a prompt, a place on the scale of α, and a sample.
std::uint64_t stream_of(std::uint64_t prompt, std::uint64_t place, std::uint64_t sample) {
  return (prompt << 32) | (place << 12) | sample;
}

/// Of the logarithm, at one α.
double length_variance(const Simulation& simulation) {
  return simulation.prompt_size * simulation.prompt_size +
         simulation.answer_size * simulation.answer_size;
}

ModuleSplit split_of(const Candidate& candidate) {
  if (!candidate.modules) return {candidate.alpha, {}};
  return split_point(candidate.alpha, *candidate.modules);
}

}  // namespace

Simulator::Simulator(const Simulation& simulation, std::vector<double> alphas, std::uint64_t seed)
    : simulation_(simulation), seed_(seed), made_(simulation.prompts) {
  for (const double alpha : alphas) candidates_.push_back({alpha, label_of(alpha), 0});
}

std::optional<std::size_t> Simulator::candidate_at(double alpha, std::size_t /*like*/) {
  if (const auto there = find_candidate(candidates_, alpha)) return there;
  candidates_.push_back({alpha, label_of(alpha), 0});
  return candidates_.size() - 1;
}

std::optional<std::size_t> Simulator::module_candidate(const ModulePoint& point, std::size_t like) {
  if (!simulation_.modules) return std::nullopt;
  const double alpha = candidates_.at(like).alpha;
  if (const auto there = find_candidate(candidates_, alpha, {}, point)) return there;
  candidates_.push_back({alpha, label_of(alpha, point), 0, point});
  return candidates_.size() - 1;
}

double Simulator::truth(const Candidate& candidate) const {
  const ModuleSplit split = split_of(candidate);
  const double mean = simulation_.truth->mean(split.alpha);
  if (!candidate.modules) return mean;
  return std::clamp(mean + simulation_.modules->gain(split.departure), 0.02, 0.98);
}

const Simulator::Prompt& Simulator::prompt(std::size_t number) {
  Prompt& prompt = made_.at(number);
  if (!prompt.coupled.empty()) return prompt;
  const RandomStream stream(seed_, stream_of(number, (1U << 20) - 1, 0));
  std::tie(prompt.own, prompt.size) = stream.normal_pair(0);
  // An autoregressive chain over the places has the correlation exp(−distance / reach).
  const double step = (kLastPlace - kFirstPlace) / (kPlaces - 1);
  const double kept = std::exp(-step / simulation_.reach);
  const double fresh = std::sqrt(1 - kept * kept);
  for (std::size_t i = 0; i < kPlaces; i += 2) {
    const auto [first, second] = stream.normal_pair(1 + i / 2);
    prompt.coupled.push_back(i == 0 ? first : kept * prompt.coupled.back() + fresh * first);
    prompt.coupled.push_back(kept * prompt.coupled.back() + fresh * second);
  }
  for (std::size_t i = 0; i < prompt.modules.size(); i += 2) {
    std::tie(prompt.modules[i], prompt.modules[i + 1]) = stream.normal_pair(1 + (kPlaces + i) / 2);
  }
  return prompt;
}

double Simulator::coupled_at(const Prompt& prompt, const ModuleSplit& split) const {
  const double share = (log_place(split.alpha) - kFirstPlace) / (kLastPlace - kFirstPlace);
  const double place = std::clamp(std::round(share * (kPlaces - 1)), 0.0, kPlaces - 1.0);
  const double uniform = prompt.coupled[static_cast<std::size_t>(place)];
  const double size = split.size();
  if (size == 0) return uniform;
  double apart = 0;  // with variance 1, and alike for departures in one direction
  for (std::size_t i = 0; i < prompt.modules.size(); ++i) {
    apart += split.departure[i] / size * prompt.modules[i];
  }
  const double kept = std::exp(-size / simulation_.reach);
  return kept * uniform + std::sqrt(1 - kept * kept) * apart;
}

double Simulator::score_value(double deviate, double sample, double mean) const {
  const double rest = 1 - simulation_.prompt_share - simulation_.coupled_share;
  const double total = deviate + std::sqrt(rest) * sample;
  if (simulation_.kind == ScoreKind::binary) return normal_cdf(total) < mean ? 1 : 0;
  return mean + simulation_.deviation * total;
}

Score Simulator::score(const ScoreRequest& request) {
  const Candidate& candidate = candidates_.at(request.candidate);
  const ModuleSplit split = split_of(candidate);
  const Prompt& prompt = this->prompt(request.prompt);
  const RandomStream stream(seed_, stream_of(request.prompt, request.candidate, request.sample));
  const auto [noise, length_noise] = stream.normal_pair(2);
  const double deviate = std::sqrt(simulation_.prompt_share) * prompt.own +
                         std::sqrt(simulation_.coupled_share) * coupled_at(prompt, split);
  const bool is_heavy = simulation_.kind == ScoreKind::heavy_tails;
  Score result;
  result.score = score_value(deviate, is_heavy ? heavy_deviate(stream) : noise, truth(candidate));
  const double size =
      simulation_.prompt_size * prompt.size + simulation_.answer_size * length_noise;
  const double length = simulation_.length * std::exp(simulation_.growth * log_place(split.alpha) +
                                                      size - length_variance(simulation_) / 2);
  const auto limit = static_cast<double>(simulation_.limit);
  result.ending = length > limit ? Ending::length : Ending::stop;
  result.tokens = static_cast<std::uint64_t>(std::clamp(length, 1.0, limit));
  result.length = 4 * static_cast<double>(result.tokens);
  return result;
}

std::vector<Score> Simulator::scores(std::span<const ScoreRequest> requests) {
  std::vector<Score> result;
  result.reserve(requests.size());
  for (const ScoreRequest& request : requests) result.push_back(score(request));
  return result;
}

}  // namespace expo
