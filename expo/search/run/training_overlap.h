#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/json.h"
#include "expo/text/columns.h"

namespace expo {

/// A prompt that a search asks, as it is compared with those of training data.
struct AskedPrompt {
  Json messages;      ///< a system turn does not count
  std::string place;  ///< "dev.jsonl:3"
};

/// What the run.json of `expo train` says about the data of a checkpoint.
struct TrainingRecord {
  std::string method;  ///< "sft", "dpo" or "reward"
  std::filesystem::path data;
  std::string split;  ///< of a data set's folder; may be empty
  double fraction = 1;
  Columns columns;
  /// Size and time of the data set's file as the run found it, if it says so.
  std::optional<std::uint64_t> size;
  std::optional<std::int64_t> modified_ns;
};

/// The record of the run that a checkpoint comes from: of the run.json in the folder that holds
/// the checkpoint's (final, checkpoint-N), or in it. Of BASE+ADAPTER it is the adapter's.
/// std::nullopt if there is none that `expo train` wrote.
std::optional<TrainingRecord> training_record(Filesystem& filesystem, const std::string& model);

/// Sentences about prompts that stand in the data that a checkpoint was trained on, with their
/// number and an example's places, as far as its run.json names these data and they are still
/// there; none otherwise. Also says if the data have changed since, or cannot be read any more.
std::vector<std::string> overlap_warnings(Filesystem& filesystem, const std::string& model,
                                          const std::vector<AskedPrompt>& prompts);

/// A sentence if the reward model that scores answers, given by its files, has scored the data that
/// the checkpoint was trained on, as the record says that `expo score` left beside these data;
/// nothing otherwise. Other ways in which it may have taught the checkpoint leave no trace.
std::vector<std::string> teacher_warnings(Filesystem& filesystem, const std::string& model,
                                          const std::vector<std::filesystem::path>& reward_model);

}  // namespace expo
