#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/search/source/score_source.h"

namespace expo {

/// The scores of a real run at several α, to be replayed. Its file is JSON lines: a header
///
///   {"format": "expo-scores-1", "samples": 2, "prompts": ["a1b2", …],
///    "candidates": [{"alpha": 0, "label": "α = 0", "family": 0}, …], …}
///
/// in which labels and families may be left out, `prompts` are names that tell prompts apart (their
/// texts, or digests of them) and other members are free to say where the scores come from, and
/// then a line for each candidate and prompt, in any order, with a value for each sample:
///
///   {"candidate": 3, "prompt": 0, "score": [1, 0], "length": [80, 76], "tokens": [20, 19],
///    "ending": ["stop", "length"]}
class Recording final : public ScoreSource {
 public:
  /// Reads a recording, which must be complete. Throws Error(input) naming file and line.
  static Recording read(Filesystem& filesystem, const std::filesystem::path& path);

  /// A recording to be filled by set(). All scores are 0 until then.
  Recording(std::vector<Candidate> candidates, std::vector<std::string> prompts,
            std::uint32_t samples);

  const std::vector<Candidate>& candidates() const override { return candidates_; }
  std::size_t prompts() const override { return prompts_.size(); }
  std::uint32_t samples() const override { return samples_; }
  std::optional<std::size_t> candidate_at(double alpha, std::size_t like) override;
  std::vector<Score> scores(std::span<const ScoreRequest> requests) override;

  const std::vector<std::string>& prompt_names() const { return prompts_; }
  void set(const ScoreRequest& request, const Score& score) { answers_[index(request)] = score; }

  /// The file's text, with `facts` (an object) added to the header.
  std::string text(std::string_view facts = "{}") const;

 private:
  friend class RecordingReader;
  std::size_t index(const ScoreRequest& request) const;

  std::vector<Candidate> candidates_;
  std::vector<std::string> prompts_;
  std::uint32_t samples_;
  std::vector<Score> answers_;
};

}  // namespace expo
