#pragma once

#include <optional>
#include <span>
#include <string>

#include "expo/core/progress.h"
#include "expo/training/data/example.h"
#include "expo/training/loss/objective.h"
#include "expo/training/model/adamw.h"
#include "expo/training/model/row_pass.h"
#include "expo/training/ranks/group.h"
#include "expo/training/run/evaluator.h"

namespace expo {

struct TrainerOptions {
  AdamWSpec adamw;
  double max_grad_norm = 1;  ///< 0: no clipping
  PassLimits pass;
  bool gradient_checkpointing = false;
};

/// The result of a step; if it failed, no weight was changed.
struct StepResult : Evaluation {
  double gradient_norm = 0;  ///< before clipping
  /// The cause of a failure: the weights, which give a value that is not a number for a row, or the
  /// gradient of a loss that is a number.
  enum class AtFault { weights, gradient } at_fault = AtFault::weights;
};

/// Takes one optimiser step after the other on examples that are in memory. Gradients are weighted
/// so that they are those of the mean over the whole step, however it is split into passes and
/// divided among ranks. Not thread-safe; all ranks make the same calls.
class Trainer {
 public:
  /// All arguments but the options must outlive it. Allocates the model's gradients.
  Trainer(TrainableModel& model, const Objective& objective, RankGroup& ranks,
          const TrainerOptions& options, const CancellationToken& cancellation);

  StepResult step(std::span<const Example* const> examples, double learning_rate);
  /// Evaluates the examples without changing anything.
  Evaluation evaluate(std::span<const Example* const> examples) {
    return evaluator_.evaluate(objective_, examples);
  }

  AdamW& optimiser() { return optimiser_; }

 private:
  std::uint64_t pass_number(std::size_t pass) const;
  /// Adds the gradient of the pass times `scale`; `pass` is that of TrainableDecoder.
  void run_pass(std::span<const Example* const> examples, double scale, std::uint64_t pass,
                Judgement& judgement);
  void move(StepResult& result, double learning_rate);
  std::string find_bad_gradient(std::span<const Example* const> examples);

  TrainableModel& model_;
  const Objective& objective_;
  RankGroup& ranks_;
  TrainerOptions options_;
  const CancellationToken& cancellation_;
  RowPass rows_;
  Evaluator evaluator_;
  AdamW optimiser_;
};

}  // namespace expo
