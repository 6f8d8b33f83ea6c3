#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "expo/search/source/collapse.h"
#include "expo/search/source/module_point.h"

namespace expo {

/// One of the models that compete: θ + αΔ of one pair. What else may tell candidates apart (another
/// ALIGNED checkpoint, an α for each kind of module) is the source's business and stands in the
/// label.
struct Candidate {
  double alpha = 0;
  std::string label;       ///< for people: "α = 0.5"
  std::size_t family = 0;  ///< candidates of one family differ in α only, or in `modules` too
  std::optional<ModulePoint> modules = {};  ///< what each kind of module does of `alpha`
};

/// The number of the first candidate with this α, and with these modules or with one α for all; of
/// one family if that is given.
std::optional<std::size_t> find_candidate(std::span<const Candidate> candidates, double alpha,
                                          std::optional<std::size_t> family = {},
                                          const std::optional<ModulePoint>& modules = {});

/// How an answer ended.
enum class Ending {
  stop,    ///< by the model or a stop string
  length,  ///< by the limit: it is truncated
};

/// What is asked for: the score of one sample of one candidate's answers to one prompt.
struct ScoreRequest {
  std::size_t candidate = 0;
  std::size_t prompt = 0;
  std::uint32_t sample = 0;

  friend bool operator==(const ScoreRequest&, const ScoreRequest&) = default;
};

/// What every score of a source carries beside the number that decides.
struct Measure {
  std::string name;
  bool is_objective = false;  ///< a further objective's score; else a property of the answer
};

/// A scored answer.
struct Score {
  double score = 0;          ///< larger is better; finite
  double length = 0;         ///< of the answer, in any unit
  std::uint64_t tokens = 0;  ///< that were generated for it: its price
  Ending ending = Ending::stop;
  std::vector<double> measures = {};   ///< as many as the source has, in its order; finite
  Collapse collapse = Collapse::none;  ///< as its text shows it, where there is one
};

/// An answer that might be cut, and is not scored.
struct Glance {
  std::uint64_t tokens = 0;            ///< that were generated for it
  bool is_cut = false;                 ///< by the cap, not by the source's own limit
  Collapse collapse = Collapse::none;  ///< endless only if it is cut
  bool goes_on = false;  ///< if it is cut, scores() goes on from there instead of answering again
};

/// What an answer looks like under a cap on its tokens.
Glance glance_of(const Score& score, std::uint64_t cap);

/// All that a search sees of models, prompts and objectives. Candidates, prompts and samples are
/// numbers from 0. Not thread-safe.
class ScoreSource {
 public:
  virtual ~ScoreSource() = default;

  /// The candidates so far. candidate_at() may append to them; the numbers of earlier ones stay.
  virtual const std::vector<Candidate>& candidates() const = 0;
  virtual std::size_t prompts() const = 0;
  virtual std::uint32_t samples() const = 0;  ///< of each prompt, at least 1
  /// The most tokens that an answer can take; std::nullopt, the default, where that is not known.
  virtual std::optional<std::uint64_t> longest() const { return std::nullopt; }
  /// They decide nothing, unless a guard names one of them.
  virtual std::vector<Measure> measures() const { return {}; }

  /// The number of the candidate with this α in the family of `like`, which is made if the
  /// source can; std::nullopt if it cannot (a recording has only what was recorded).
  virtual std::optional<std::size_t> candidate_at(double alpha, std::size_t like) = 0;

  /// The number of the candidate of the family of `like` with its α times `point`, which is made if
  /// the source can; std::nullopt if it cannot, which is the default.
  virtual std::optional<std::size_t> module_candidate(const ModulePoint& point, std::size_t like);

  /// The scores of all requests, in their order. A look asks for many at once, so that an engine
  /// can answer in batches. May throw; what was finished before may then be kept by the source. An
  /// equal request gives an equal score.
  virtual std::vector<Score> scores(std::span<const ScoreRequest> requests) = 0;

  /// What the answers to all requests look like if they are cut after `cap` tokens (unless the
  /// source's own limit is lower), for screening: they are not scored. One that is not cut is the
  /// one that scores() scores, and is paid for once; one that is cut goes on for that, or is
  /// answered again.
  virtual std::vector<Glance> glance(std::span<const ScoreRequest> requests, std::uint64_t cap);
};

/// "α = 0.5", with no more digits than needed.
std::string label_of(double alpha);

}  // namespace expo
