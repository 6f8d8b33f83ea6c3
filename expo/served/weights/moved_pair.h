#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/served/weights/proven_requests.h"
#include "expo/served/weights/reloaded_weights.h"

namespace expo {

/// What the server of one policy is reached by.
struct PolicyServer {
  const ServedSpec& spec;  ///< with a pair
  HttpClient& client;
  const Dialect& dialect;
  const ServedModel& model;
};

/// A pair of checkpoints on this disk, and the server that runs what lies on the line through them:
/// it moves along by whole checkpoints. Not thread-safe.
class MovedPair {
 public:
  /// `staged` is made for the first of several servers, which share it. `open_embedded` is needed
  /// only where ServedPair::prove_embedded is set. Throws what open_checkpoint, StagedWeights and
  /// WeightProbe throw, and Error(usage) if the server's type is not known, or not the one named.
  MovedPair(Filesystem& filesystem, const Environment& environment, const PolicyServer& server,
            std::shared_ptr<StagedWeights>& staged, const EmbeddedOpener& open_embedded,
            const CancellationToken& cancellation);

  void move_to(const AlphaSchedule& alpha, const CancellationToken& cancellation);
  /// As Engine::let_go().
  void let_go();
  const Checkpoint& aligned() const { return *aligned_; }

  /// Sends work as ProvenRequests does once it has moved, and as it is before. Throws Error(usage)
  /// if it was let go and not moved since.
  void run(const ServedWork& work, const ProvenRequests::Send& send, std::size_t batch,
           const CancellationToken& cancellation);

  /// As Engine::incidents().
  std::vector<std::string> incidents() const;
  /// Adds what is known about the weights, and the incidents.
  void describe(EngineDescription& description) const;
  /// Adds everything that the answers depend on beside the server.
  void identify(Json& identity) const;
  std::vector<std::filesystem::path> sources() const;
  Json digests(const CancellationToken& cancellation) const;

 private:
  std::string where() const { return reloads_.address().text(); }

  Filesystem& filesystem_;
  ServedPair pair_;
  std::shared_ptr<const Checkpoint> sft_;
  std::shared_ptr<const Checkpoint> aligned_;
  std::shared_ptr<StagedWeights> staged_;
  HttpClient reloads_;
  WeightProbe probe_;
  std::unique_ptr<Engine> embedded_;  ///< opened when it is first to prove something
  std::optional<ReloadedWeights> weights_;
  bool is_moved_ = false;
  bool is_let_go_ = false;
  std::size_t restored_ = 0;
};

}  // namespace expo
