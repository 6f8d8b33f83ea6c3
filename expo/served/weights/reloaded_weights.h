#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "expo/served/weights/staged_weights.h"
#include "expo/served/weights/weight_probe.h"

namespace expo {

/// The weights of a server that reads whole checkpoints while it runs (vLLM), and the proof that it
/// has the ones that it was told to read: a success alone proves nothing, nor does a version.
///
/// After each move the probe texts are asked twice, which shows the server's own noise. Their
/// log-probabilities must differ from those before it by more than that noise, and be those that
/// the same bytes had before within it. At the first move, and where the server had these weights
/// already or two α are too near to each other to be told apart, the weights go to α = 0 (from
/// there to α = −1) and back, and both must show. At the first move of a head that is the
/// embedding, it is also changed alone, which must show too. Not thread-safe.
class ReloadedWeights {
 public:
  struct Parts {
    HttpClient& reloads;  ///< by which the server is told to read checkpoints
    const Dialect& dialect;
    const WeightProbe& probe;
    StagedWeights& staged;
    std::string client_path;  ///< ServedPair's
    std::string server_path;
    /// The engine to compare with, which is moved to each α; empty: with nothing.
    std::function<Engine&()> embedded = {};
  };

  /// The parts must outlive this object.
  explicit ReloadedWeights(Parts parts) : parts_(std::move(parts)) {}

  /// Moves the server to α and proves it. Throws Error(input) with the server's own words if it
  /// does not have these weights then, Error(environment) if it cannot reload, and what
  /// StagedWeights::at() throws.
  void move_to(const AlphaSchedule& alpha, const CancellationToken& cancellation);

  /// Whether the server still has the weights of the last move, by its answers to the probe. Throws
  /// what WeightProbe::ask() throws.
  bool are_there(const CancellationToken& cancellation);

  /// Moves the server again to where it was, as after a restart with its first weights.
  void restore(const CancellationToken& cancellation) { move_to(alpha_.value(), cancellation); }

  /// Takes it that the server has other weights from now on; it must be moved again. What is proven
  /// about the server stays so.
  void forget_place() { alpha_.reset(); }

  /// The checkpoint of the last move.
  const StagedCheckpoint& checkpoint() const { return checkpoint_.value(); }

 private:
  const std::vector<float>& load(const StagedCheckpoint& checkpoint,
                                 const CancellationToken& cancellation);
  StagedCheckpoint take_contrast(const StagedCheckpoint& target,
                                 const CancellationToken& cancellation);
  void prove_head(const StagedCheckpoint& now, const CancellationToken& cancellation);
  void put_back(const StagedCheckpoint& now);
  StagedCheckpoint contrast_of(const StagedCheckpoint& target,
                               const CancellationToken& cancellation);
  HttpAnswer ask_until_done(const HttpRequest& request, const CancellationToken& cancellation);
  [[noreturn]] void fail(const HttpAnswer& answer, const StagedCheckpoint& checkpoint) const;
  void compare_with_embedded(const AlphaSchedule& alpha, const std::vector<float>& served,
                             const CancellationToken& cancellation);
  bool differ(const std::vector<float>& left, const std::vector<float>& right) const;
  double limit() const;
  std::string server_place(const StagedCheckpoint& checkpoint) const;
  std::string where() const { return parts_.reloads.address().text(); }

  Parts parts_;
  std::optional<AlphaSchedule> alpha_;
  std::optional<StagedCheckpoint> checkpoint_;
  bool has_come_back_ = false;  ///< once gone to other weights and back
  bool has_proven_head_ = false;
  std::map<std::string, std::vector<float>> seen_;  ///< log-probabilities by the bytes' digest
  double noise_ = 0;                                ///< the largest that was seen
  std::string words_;                               ///< of the server to the last reload
};

}  // namespace expo
