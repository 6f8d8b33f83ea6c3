#pragma once

#include <functional>
#include <vector>

#include "expo/served/watched_requests.h"
#include "expo/served/weights/reloaded_weights.h"

namespace expo {

/// Sends work to a server whose weights expo has moved, batch by batch: the answers of a batch
/// count only if the server had these weights before it and after it. Where it had not, because it
/// was started again with its first weights, it is moved to them again and asked anew.
class ProvenRequests {
 public:
  using Send = std::function<void(const ServedWork& work, const CancellationToken& cancellation)>;

  /// `send` is WatchedRequests::run() or does as that does; `batch` is the most requests between
  /// two looks at the weights, at least 1. The weights must outlive this object.
  ProvenRequests(ReloadedWeights& weights, Send send, std::size_t batch)
      : weights_(weights), send_(std::move(send)), batch_(batch) {}

  /// Throws the first failure, when what came before it and counts is passed on; Error(environment)
  /// if the server has lost the weights in several tries of one batch in a row.
  void run(const ServedWork& work, const CancellationToken& cancellation);

  /// How often the server was moved to its weights again.
  std::size_t restored() const { return restored_; }

 private:
  void run_batch(const ServedWork& batch, const CancellationToken& cancellation);
  bool counts(const CancellationToken& cancellation);

  ReloadedWeights& weights_;
  Send send_;
  std::size_t batch_;
  std::size_t restored_ = 0;
  bool is_at_weights_ = false;  ///< by a look that nothing was asked since
  std::vector<std::function<void()>> held_;
  std::optional<Error> failure_;
};

}  // namespace expo
