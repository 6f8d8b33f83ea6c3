#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "expo/core/progress.h"
#include "expo/training/data/example.h"
#include "expo/training/loss/objective.h"
#include "expo/training/model/adamw.h"
#include "expo/training/model/row_values.h"
#include "expo/training/model/trainable_decoder.h"
#include "expo/training/ranks/group.h"

namespace expo {

struct TrainerOptions {
  AdamWSpec adamw;
  double max_grad_norm = 1;  ///< 0: no clipping
  std::int64_t examples_per_pass = 8;
  std::int64_t tokens_per_pass = 1024;
  bool gradient_checkpointing = false;
};

/// What a step or an evaluation gave.
struct StepResult {
  std::map<std::string, double> metrics;  ///< means over the examples: "loss", "rewards/margins", …
  double gradient_norm = 0;               ///< before clipping
  std::int64_t tokens = 0;                ///< of all rows, on all ranks
  /// Empty, or what is not a number, and in which row; then nothing has been moved.
  std::string failure;
  /// Then: the weights, which give no number for a row, or the gradient of a loss that is a number.
  enum class AtFault { weights, gradient } at_fault = AtFault::weights;
};

/// One optimiser step after the other on examples that are in memory. Gradients are weighted so
/// that they are those of the whole step's mean, however it is cut into passes and divided among
/// ranks. Not thread-safe; all ranks make the same calls.
class Trainer {
 public:
  /// All but the options must outlive it.
  Trainer(TrainableModel& model, const Objective& objective, RankGroup& ranks,
          const TrainerOptions& options, const CancellationToken& cancellation);

  StepResult step(std::span<const Example* const> examples, double learning_rate);
  /// The same without moving anything.
  StepResult evaluate(std::span<const Example* const> examples);
  /// The numbers of the rows of these examples, in order: log-probabilities or rewards. `advance`
  /// is told of this rank's share that is done, from 0 to 1.
  std::vector<double> row_values(std::span<const Example* const> examples,
                                 const std::function<void(double share)>& advance = {});

  AdamW& optimiser() { return optimiser_; }

 private:
  /// What one rank gathers over its passes.
  struct Gathered {
    MetricSums sums;
    std::int64_t tokens = 0;
    std::string failure;
  };

  std::uint64_t pass_number(std::size_t pass) const;
  std::vector<std::vector<const Example*>> passes(std::span<const Example* const> examples) const;
  /// Trains with the gradient of the sum times `scale`; nothing: no training.
  struct Training {
    double scale;
    std::uint64_t pass;  ///< as TrainableDecoder's
  };
  void run_pass(std::span<const Example* const> examples, const std::optional<Training>& training,
                Gathered& gathered);
  StepResult combine(const Gathered& gathered, double weight);
  void move(StepResult& result, double learning_rate);
  std::string find_bad_gradient(std::span<const Example* const> examples);

  TrainableModel& model_;
  const Objective& objective_;
  RankGroup& ranks_;
  TrainerOptions options_;
  const CancellationToken& cancellation_;
  TrainableDecoder decoder_;
  std::unique_ptr<RowValues> head_;
  AdamW optimiser_;
};

}  // namespace expo
