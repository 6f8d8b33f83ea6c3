#pragma once

#include <memory>
#include <span>
#include <string>

#include "expo/session/session_log.h"
#include "expo/training/data/example_set.h"
#include "expo/training/run/folder.h"
#include "expo/training/run/inputs.h"
#include "expo/training/run/job.h"
#include "expo/training/run/metrics_log.h"
#include "expo/training/run/model_folder.h"
#include "expo/training/run/schedule.h"
#include "expo/training/run/state.h"
#include "expo/training/run/trainer.h"

namespace expo {

/// The steps of a run, with its checkpoints.
class TrainingRun {
 public:
  /// `folder` is set on the first rank and null on the others.
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
  std::string measure_serving();
  void warn(const std::string& text);
  Json describe_data() const;
  void write_run_file();
  Session session() const;
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
  std::int64_t step_ = 0;   ///< steps taken so far
  std::int64_t saved_ = 0;  ///< step of the newest checkpoint; 0: none
  std::int64_t order_epoch_ = -1;
  std::vector<std::int64_t> order_;
  std::unique_ptr<MetricsLog> metrics_;  ///< on the first rank
  std::unique_ptr<SessionLog> session_;  ///< on the first rank
  TrainingReport report_;
};

}  // namespace expo
