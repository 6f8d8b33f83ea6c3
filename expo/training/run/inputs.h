#pragma once

#include <memory>
#include <string>
#include <vector>

#include "expo/training/data/example_set.h"
#include "expo/training/loss/objective.h"
#include "expo/training/run/job.h"
#include "expo/training/run/model_folder.h"
#include "expo/training/run/reference_log_probs.h"
#include "expo/training/run/schedule.h"

namespace expo {

/// The data and the model of a run, in memory.
struct TrainingInputs {
  ModelSource source;
  std::shared_ptr<const ChatTokenizer> tokenizer;
  TrainableModel model;
  ExampleSet train;
  ExampleSet evaluation;  ///< empty without an evaluation data set
  TrainingSchedule schedule;
  std::unique_ptr<Objective> objective;
  std::vector<std::string> warnings;  ///< about the data and the schedule
  std::string weights_digest;         ///< digest of the weights that the training starts from
  std::string references_digest;      ///< DPO: digest of the reference's log-probabilities
  ReferenceCounts references;         ///< DPO: of all pairs, including those of the evaluation
};

/// Reads everything that a configuration names. Throws what run_training throws.
TrainingInputs read_inputs(Filesystem& filesystem, const Environment& environment, RankGroup& ranks,
                           const TrainingJob& job, const CancellationToken& cancellation);

}  // namespace expo
