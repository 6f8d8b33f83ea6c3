#pragma once

#include <memory>
#include <span>
#include <string>

#include "expo/training/example_set.h"
#include "expo/training/metrics_log.h"
#include "expo/training/model_folder.h"
#include "expo/training/run_folder.h"
#include "expo/training/trainer.h"
#include "expo/training/training_job.h"
#include "expo/training/training_schedule.h"
#include "expo/training/training_state.h"

namespace expo {

/// The data and the model of a run, in memory.
struct TrainingInputs {
  ModelSource source;
  std::shared_ptr<const ChatTokenizer> tokenizer;
  TrainableModel model;
  ExampleSet train;
  ExampleSet evaluation;  ///< empty without one
  TrainingSchedule schedule;
  std::unique_ptr<Objective> objective;
  std::vector<std::string> warnings;  ///< of the data and the schedule
  std::string weights_digest;         ///< of the weights that the training begins with
  std::string references_digest;      ///< DPO: of the reference's log-probabilities
  bool references_from_cache = false;
};

/// Reads everything that a configuration names. Throws as run_training.
TrainingInputs read_inputs(Filesystem& filesystem, const Environment& environment, RankGroup& ranks,
                           const TrainingJob& job, const CancellationToken& cancellation);

/// The steps of a run, with its checkpoints.
class TrainingRun {
 public:
  /// `folder` is the first rank's; null on the others.
  TrainingRun(Filesystem& filesystem, RankGroup& ranks, const TrainingJob& job,
              TrainingInputs& inputs, RunFolder* folder, const CancellationToken& cancellation);
  TrainingReport run();

 private:
  void begin_folder();
  void resume();
  std::vector<const Example*> examples_of(std::int64_t step);
  void take_steps();
  void take_step();
  std::string describe_interruption() const;
  [[noreturn]] void stop(const StepResult& result, std::span<const Example* const> examples);
  void evaluate();
  bool is_due(std::int64_t every) const { return every > 0 && step_ % every == 0; }
  void log(const Json& metrics);
  std::uint64_t bytes_to_write() const;
  void save_checkpoint();
  void save_state(const std::filesystem::path& folder);
  void save_result();
  void report_lost_updates();
  void write_run_file();
  void note(const std::string& text) const;

  Filesystem& filesystem_;
  RankGroup& ranks_;
  const TrainingJob& job_;
  const TrainingConfig& config_;
  TrainingInputs& inputs_;
  RunFolder* folder_;
  const TrainingSchedule& schedule_;
  const CancellationToken& cancellation_;
  Trainer trainer_;
  std::int64_t step_ = 0;   ///< taken so far
  std::int64_t saved_ = 0;  ///< the step of the newest checkpoint; 0: the model that was given
  std::int64_t order_epoch_ = -1;
  std::vector<std::int64_t> order_;
  std::unique_ptr<MetricsLog> metrics_;  ///< on the first rank
  TrainingReport report_;
};

}  // namespace expo
