#pragma once

#include <memory>
#include <string>

#include "expo/training/example_set.h"
#include "expo/training/metrics_log.h"
#include "expo/training/model_folder.h"
#include "expo/training/trainer.h"
#include "expo/training/training_job.h"
#include "expo/training/training_state.h"

namespace expo {

/// The data and the model of a run, in memory.
struct TrainingInputs {
  ModelSource source;
  std::shared_ptr<const ChatTokenizer> tokenizer;
  TrainableModel model;
  ExampleSet train;
  ExampleSet evaluation;  ///< empty without one
  std::unique_ptr<Objective> objective;
  bool references_from_cache = false;
};

/// Reads everything that a configuration names. Throws as run_training.
TrainingInputs read_inputs(Filesystem& filesystem, const Environment& environment, RankGroup& ranks,
                           const TrainingJob& job, const CancellationToken& cancellation);

/// The steps of a run, with its checkpoints.
class TrainingRun {
 public:
  TrainingRun(Filesystem& filesystem, RankGroup& ranks, const TrainingJob& job,
              TrainingInputs& inputs, const CancellationToken& cancellation);
  TrainingReport run();

 private:
  void resume();
  std::vector<const Example*> examples_of(std::int64_t step);
  void take_step();
  void evaluate();
  void log(const Json& metrics);
  void save_checkpoint();
  void save_result();
  void drop_old_checkpoints();
  void write_run_file();
  Json setting() const;
  void note(const std::string& text) const;

  Filesystem& filesystem_;
  RankGroup& ranks_;
  const TrainingJob& job_;
  const TrainingConfig& config_;
  TrainingInputs& inputs_;
  const CancellationToken& cancellation_;
  Trainer trainer_;
  LearningRate rate_;
  std::int64_t batch_ = 0;  ///< examples of a step
  std::int64_t steps_per_epoch_ = 0;
  std::int64_t step_ = 0;  ///< taken so far
  std::int64_t order_epoch_ = -1;
  std::vector<std::int64_t> order_;
  std::unique_ptr<MetricsLog> metrics_;  ///< on the first rank
  TrainingReport report_;
};

}  // namespace expo
