#include "expo/search/source/resampled_source.h"

#include <utility>

#include "expo/core/philox.h"

namespace expo {
namespace {

std::size_t draw_below(std::size_t end, const RandomStream& stream, std::size_t index) {
  return static_cast<std::size_t>(stream.unit_interval(index) * static_cast<double>(end));
}

/// All candidates in order, those with α ≥ 0 shuffled among each other.
std::vector<std::size_t> shuffled(const std::vector<Candidate>& candidates,
                                  const RandomStream& stream) {
  std::vector<std::size_t> places;
  std::vector<std::size_t> movable;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    places.push_back(i);
    if (candidates[i].alpha >= 0) movable.push_back(i);
  }
  for (std::size_t left = movable.size(); left > 1; --left) {
    std::swap(places[movable[left - 1]], places[movable[draw_below(left, stream, left)]]);
  }
  return places;
}

}  // namespace

ResampledSource::ResampledSource(ScoreSource& source, std::uint64_t seed, bool without_gain)
    : source_(source) {
  const RandomStream draws(seed, 0);
  for (std::size_t i = 0; i < source.prompts(); ++i) {
    drawn_.push_back(draw_below(source.prompts(), draws, i));
    if (without_gain) places_.push_back(shuffled(source.candidates(), RandomStream(seed, i + 1)));
  }
}

std::optional<std::size_t> ResampledSource::candidate_at(double alpha, std::size_t like) {
  return places_.empty() ? source_.candidate_at(alpha, like) : std::nullopt;
}

std::vector<Score> ResampledSource::scores(std::span<const ScoreRequest> requests) {
  std::vector<ScoreRequest> asked(requests.begin(), requests.end());
  for (ScoreRequest& request : asked) {
    if (!places_.empty()) request.candidate = places_[request.prompt][request.candidate];
    request.prompt = drawn_[request.prompt];
  }
  return source_.scores(asked);
}

}  // namespace expo
