#pragma once

#include <cstddef>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/disk/filesystem.h"
#include "expo/engine/tokens/model_tokenizer.h"
#include "expo/served/dialect.h"

namespace expo {

/// Fixed texts, each with an answer whose log-probabilities tell one set of weights from another:
/// together of more than kProbeTokens words. They are read without a chat template.
std::vector<Conversation> probe_texts();

/// The fewest tokens that a probe consists of.
inline constexpr std::size_t kProbeTokens = 256;

/// What a server says about the probe texts.
class WeightProbe {
 public:
  /// Tokens are made by the checkpoint's tokenizer. Throws Error(input) if fewer than kProbeTokens
  /// fit into the context of the served model. The references must outlive this object.
  WeightProbe(Filesystem& filesystem, const Checkpoint& checkpoint, HttpClient& client,
              const Dialect& dialect, const ServedModel& model);

  /// The texts that fit, as another engine is asked for the same log-probabilities.
  const std::vector<Conversation>& conversations() const { return conversations_; }
  const std::vector<AnsweredTokens>& tokens() const { return tokens_; }  ///< of each text
  std::size_t size() const { return size_; }                             ///< in tokens

  /// The log-probabilities of all tokens of the answers. The texts go out one by one, so that a
  /// server that has nothing else to do computes them in the same way each time. Throws the
  /// request's failure, and Error(input) for numbers that are none.
  std::vector<float> ask(const CancellationToken& cancellation) const;

 private:
  HttpClient& client_;
  const Dialect& dialect_;
  const ServedModel& model_;
  std::vector<Conversation> conversations_;
  std::vector<AnsweredTokens> tokens_;
  std::size_t size_ = 0;
};

/// The mean of the absolute differences of two lists of equal length.
double mean_distance(const std::vector<float>& left, const std::vector<float>& right);

}  // namespace expo
