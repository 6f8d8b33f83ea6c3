#include "expo/search/run/training_overlap.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "expo/checkpoint/open/model_reference.h"
#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/text/chat.h"
#include "expo/text/preferences.h"
#include "expo/text/row_reader.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

/// What a conversation says until the turn with this number, without system turns.
std::string key_of(const Json& messages, std::size_t end) {
  Json said = Json::array();
  for (std::size_t i = 0; i < end; ++i) {
    const Json& message = messages.at(i);
    const std::string role = message.at("role");
    if (role != "system") said.push_back({role, trimmed(content_text(message))});
  }
  return compact_json(said);
}

/// The prompts of a row of training data: what precedes an answer that is learnt.
std::vector<std::string> keys_of(const Json& row, const std::string& place,
                                 const TrainingRecord& record) {
  if (record.method != "sft") {
    const Json messages = read_preference(row, place, record.columns).prompt.messages;
    return {key_of(messages, messages.size())};
  }
  const RowView view(row, place);
  const Json* value = record.columns.prompt.empty() ? view.find("", {"messages"}) : nullptr;
  if (value == nullptr) value = view.find(record.columns.prompt, {"prompt", "instruction"});
  if (value == nullptr) return {};
  const Json messages = value->is_string() ? user_turn(prompt_text(view, *value))
                                           : read_messages(view, *value, "messages");
  std::vector<std::string> keys;
  for (std::size_t i = 1; i <= messages.size(); ++i) {
    const bool is_answered = i < messages.size() && is_assistant(messages[i]);
    if (is_answered || (i == messages.size() && !is_assistant(messages.back())))
      keys.push_back(key_of(messages, i));
  }
  return keys;
}

/// A prompt that was found, and where.
struct Overlap {
  std::size_t count = 0;
  std::string asked_place;
  std::string trained_place;
};

Overlap find_overlap(Filesystem& filesystem, const TrainingRecord& record,
                     const std::vector<AskedPrompt>& prompts) {
  std::unordered_map<std::string, const AskedPrompt*> asked;
  for (const AskedPrompt& prompt : prompts)
    asked.emplace(key_of(prompt.messages, prompt.messages.size()), &prompt);
  const auto rows =
      open_rows(filesystem, record.data,
                record.split.empty() ? std::nullopt : std::optional<std::string>(record.split));
  Overlap overlap;
  for (Json row; rows->next(row);) {
    for (const std::string& key : keys_of(row, rows->place(), record)) {
      const auto found = asked.find(key);
      if (found == asked.end()) continue;
      if (overlap.count++ == 0) {
        overlap.asked_place = found->second->place;
        overlap.trained_place = rows->place();
      }
      asked.erase(found);  // each counts once
    }
  }
  return overlap;
}

bool has_changed(Filesystem& filesystem, const TrainingRecord& record) {
  const auto status = filesystem.status(record.data);
  return status && record.size &&
         (status->size != *record.size ||
          (record.modified_ns && status->modified_ns != *record.modified_ns));
}

/// Where the data lie: where the run says they do, or else by the name that it was given, which
/// may be relative to the folder that it was started in; that is found by the run's own folder.
fs::path data_place(Filesystem& filesystem, const Json& run, const fs::path& folder) {
  const Json& config = run.at("config");
  const Json& data = run.value("data", Json::object());
  if (data.contains("file")) return data.at("file").at("path").get<std::string>();
  const fs::path name = config.at("dataset_name").get<std::string>();
  const fs::path output = fs::path(config.value("output_dir", "")).lexically_normal();
  if (name.is_absolute() || output.is_absolute()) return name;
  fs::path start = filesystem.canonical(folder);
  for (const fs::path& part : output) {
    if (!part.empty()) start = start.parent_path();
  }
  return start / name;
}

TrainingRecord record_of(Filesystem& filesystem, const Json& run, const fs::path& folder) {
  const Json& config = run.at("config");
  TrainingRecord record;
  record.method = config.at("method").get<std::string>();
  record.data = data_place(filesystem, run, folder);
  record.split = config.value("dataset_train_split", "");
  record.fraction = config.value("fraction", 1.0);
  record.columns.prompt = config.value("prompt_column", "");
  record.columns.chosen = config.value("chosen_column", "");
  record.columns.rejected = config.value("rejected_column", "");
  const Json data = run.value("data", Json::object());
  if (data.contains("file") && data.at("file").contains("size")) {
    record.size = data.at("file").at("size").get<std::uint64_t>();
    record.modified_ns = data.at("file").at("modified_ns").get<std::int64_t>();
  }
  return record;
}

/// The files of the reward model that `expo score` has scored these data with.
std::vector<fs::path> scorer_files(Filesystem& filesystem, const fs::path& data) {
  const fs::path file = fs::path(data) += ".run.json";
  if (!filesystem.exists(file)) return {};
  try {
    const Json run = parse_json(filesystem.read_text(file), file.string());
    const Json& settings = run.at("settings");
    if (run.at("command") != "score" || settings.at("log_probs").get<bool>()) return {};
    std::vector<fs::path> files;
    for (const Json& each : settings.at("model").at("files"))
      files.emplace_back(each.at("path").get<std::string>());
    return files;
  } catch (const Json::exception&) {  // another program's
    return {};
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

std::optional<TrainingRecord> training_record(Filesystem& filesystem, const std::string& model) {
  const std::string own = split_reference(filesystem, model).back();
  if (!filesystem.is_directory(own)) return std::nullopt;
  const fs::path folder = filesystem.canonical(own);
  for (const fs::path& place : {folder.parent_path(), folder}) {
    const fs::path file = place / "run.json";
    if (!filesystem.exists(file)) continue;
    try {
      const Json run = parse_json(filesystem.read_text(file), file.string());
      if (run.is_object() && run.contains("config")) return record_of(filesystem, run, place);
    } catch (const Json::exception&) {  // another program's
    } catch (const Error&) {
    }
  }
  return std::nullopt;
}

std::vector<std::string> overlap_warnings(Filesystem& filesystem, const std::string& model,
                                          const std::vector<AskedPrompt>& prompts) {
  const auto record = training_record(filesystem, model);
  if (!record || !filesystem.exists(record->data)) return {};
  std::vector<std::string> warnings;
  Overlap overlap;
  try {
    overlap = find_overlap(filesystem, *record, prompts);
  } catch (const Error& error) {
    if (error.category() == ErrorCategory::interrupted) throw;
    return {
        fmt::format("whether prompts stand in the data that {} was trained on was not found "
                    "out, as these cannot be read any more: {}",
                    model, error.what())};
  }
  if (overlap.count > 0) {
    warnings.push_back(fmt::format(
        "{} of {} in the data that {} was trained on ({}{}), such as that of {} ({}); they are "
        "left "
        "in, but what is gained on them may not be gained on others",
        overlap.count,
        prompts.size() == 1 ? "1 prompt stands" : fmt::format("{} prompts stand", prompts.size()),
        model, record->data.filename().string(),
        record->fraction < 1 ? fmt::format(", a share of {:g} of it", record->fraction) : "",
        overlap.asked_place, overlap.trained_place));
  }
  if (has_changed(filesystem, *record)) {
    warnings.push_back(fmt::format(
        "{}: has changed since {} was trained on it, so whether prompts stood in it is not certain",
        record->data.string(), model));
  }
  return warnings;
}

std::vector<std::string> teacher_warnings(Filesystem& filesystem, const std::string& model,
                                          const std::vector<fs::path>& reward_model) {
  const auto record = training_record(filesystem, model);
  if (!record) return {};
  const std::vector<fs::path> scored_by = scorer_files(filesystem, record->data);
  const bool is_teacher = std::ranges::any_of(reward_model, [&](const fs::path& file) {
    return std::ranges::find(scored_by, filesystem.canonical(file)) != scored_by.end();
  });
  if (!is_teacher) return {};
  return {fmt::format(
      "the reward model has scored the data that {} was trained on ({}), so it judges its own "
      "pupil: what it rewards may be what it taught; another judge tells more",
      model, record->data.filename().string())};
}

}  // namespace expo
