#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "expo/search/source/module_effects.h"
#include "expo/search/source/score_source.h"
#include "expo/search/source/truth.h"

namespace expo {

/// What the scores of a simulation look like.
enum class ScoreKind {
  binary,       ///< 0 or 1
  normal,       ///< normal noise
  heavy_tails,  ///< noise of Student's t with 3 degrees of freedom
};

struct Simulation {
  const Truth* truth = nullptr;
  ScoreKind kind = ScoreKind::binary;
  std::size_t prompts = 400;
  std::uint32_t samples = 2;
  /// Shares of the variance of a score: what a prompt does at every α, what a prompt does at α near
  /// each other, and the rest, which is a sample's own. These and the lengths are what
  /// bench/fit_simulation.py finds in docs/search/recordings/smollm2.jsonl.
  double prompt_share = 0.34;
  double coupled_share = 0.37;
  double reach = 4.15;         ///< of the coupling, on the scale of log_place
  double deviation = 0.5;      ///< of a score that is not binary
  double growth = -0.18;       ///< of the logarithm of the length for each unit of log_place
  double length = 45.5;        ///< mean tokens of an answer at α = 0
  double prompt_size = 0.485;  ///< deviation of a length's logarithm between prompts
  double answer_size = 0.63;   ///< and between answers to one of them
  std::uint64_t limit = 96;
  std::optional<ModuleEffects> modules = {};  ///< candidates with an α for each kind are made
};

/// A source with a known truth. A score has the mean truth(α) exactly; its deviation from it is
/// made of a prompt's own part, a part that is correlated between α as exp(−distance / reach) on
/// the scale of log_place, and a sample's. Where α differs between kinds of module, the distance
/// includes the size of the departure from the uniform line. Every score depends only on the seed
/// and the request.
class Simulator final : public ScoreSource {
 public:
  Simulator(const Simulation& simulation, std::vector<double> alphas, std::uint64_t seed);

  const std::vector<Candidate>& candidates() const override { return candidates_; }
  std::size_t prompts() const override { return simulation_.prompts; }
  std::uint32_t samples() const override { return simulation_.samples; }
  std::optional<std::uint64_t> longest() const override { return simulation_.limit; }
  std::optional<std::size_t> candidate_at(double alpha, std::size_t like) override;
  std::optional<std::size_t> module_candidate(const ModulePoint& point, std::size_t like) override;
  std::vector<Score> scores(std::span<const ScoreRequest> requests) override;
  double truth(const Candidate& candidate) const;  ///< the candidate's mean score

 private:
  static constexpr std::size_t kPlaces = 64;
  struct Prompt {
    double own = 0;
    double size = 0;                  ///< of its answers, as a logarithm
    std::vector<double> coupled;      ///< at equally spaced places
    std::array<double, 4> modules{};  ///< of departures in the direction of each coordinate
  };
  const Prompt& prompt(std::size_t number);
  Score score(const ScoreRequest& request);
  double coupled_at(const Prompt& prompt, const ModuleSplit& split) const;
  double score_value(double deviate, double sample, double mean) const;

  Simulation simulation_;
  std::uint64_t seed_;
  std::vector<Candidate> candidates_;
  std::vector<Prompt> made_;
};

}  // namespace expo
