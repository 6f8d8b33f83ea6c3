#include "expo/training/training_run.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "expo/checkpoint/atomic_directory.h"
#include "expo/core/error.h"
#include "expo/extrapolation/output_folder.h"
#include "expo/training/row_order.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

std::int64_t ceil_divide(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

TrainerOptions trainer_options(const TrainingConfig& config) {
  TrainerOptions options;
  options.adamw = config.adamw;
  options.max_grad_norm = config.max_grad_norm;
  options.examples_per_pass = config.per_device_train_batch_size;
  options.tokens_per_pass = config.tokens_per_pass;
  options.gradient_checkpointing = config.gradient_checkpointing;
  return options;
}

/// Where AtomicDirectory has a folder while it is written.
fs::path partial_of(const fs::path& folder) {
  return folder.parent_path() / ("." + folder.filename().string() + ".expo-partial");
}

}  // namespace

TrainingRun::TrainingRun(Filesystem& filesystem, RankGroup& ranks, const TrainingJob& job,
                         TrainingInputs& inputs, const CancellationToken& cancellation)
    : filesystem_(filesystem),
      ranks_(ranks),
      job_(job),
      config_(job.config),
      inputs_(inputs),
      cancellation_(cancellation),
      trainer_(inputs.model, *inputs.objective, ranks, trainer_options(job.config), cancellation) {
  batch_ = config_.per_device_train_batch_size * config_.gradient_accumulation_steps * ranks.size();
  steps_per_epoch_ = ceil_divide(static_cast<std::int64_t>(inputs.train.examples.size()), batch_);
  const double by_epochs = config_.num_train_epochs * static_cast<double>(steps_per_epoch_);
  rate_.kind = config_.schedule;
  rate_.peak = config_.learning_rate;
  rate_.total_steps =
      config_.max_steps > 0 ? config_.max_steps : static_cast<std::int64_t>(std::ceil(by_epochs));
  rate_.warmup_steps = static_cast<std::int64_t>(
      std::ceil(config_.warmup_ratio * static_cast<double>(rate_.total_steps)));
}

TrainingReport TrainingRun::run() {
  report_.counts = inputs_.train.counts;
  report_.references_from_cache = inputs_.references_from_cache;
  report_.warnings = inputs_.train.warnings;
  for (const std::string& warning : inputs_.evaluation.warnings)
    report_.warnings.push_back("evaluation: " + warning);
  resume();
  if (ranks_.rank() == 0) {
    write_run_file();
    metrics_ = std::make_unique<MetricsLog>(filesystem_,
                                            fs::path(config_.output_dir) / "metrics.jsonl", step_);
  }
  while (step_ < rate_.total_steps) {
    take_step();
    const bool last = step_ == rate_.total_steps;
    if (last || (config_.eval_steps > 0 && step_ % config_.eval_steps == 0)) evaluate();
    if (config_.save_steps > 0 && step_ % config_.save_steps == 0) save_checkpoint();
  }
  save_result();
  report_.steps = step_;
  return std::move(report_);
}

void TrainingRun::resume() {
  const auto found = list_run_checkpoints(filesystem_, config_.output_dir);
  if (!config_.resume || found.empty()) return;
  const auto& [step, folder] = found.back();
  note(fmt::format("going on from {}", folder.string()));
  const TrainingState state =
      read_state(filesystem_, folder, setting(), inputs_.model.parameters.values(),
                 trainer_.optimiser(), ranks_);
  const at::Tensor& values = inputs_.model.parameters.values();
  const AdamW& optimiser = trainer_.optimiser();
  ranks_.all_gather(values.narrow(0, optimiser.first(), optimiser.last() - optimiser.first()),
                    values);
  inputs_.model.parameters.refresh();
  step_ = report_.resumed_from = state.step;
}

/// What decides the bytes of the result, apart from where it is written and how often.
Json TrainingRun::setting() const {
  Json json = to_json(config_);
  for (const char* name : {"output_dir", "overwrite_output_dir", "resume", "save_steps",
                           "save_total_limit", "eval_steps", "eval_dataset_name",
                           "dataset_test_split", "save_dtype", "reference_cache_dir"})
    json.erase(name);
  json["threads"] = at::get_num_threads();
  json["ranks"] = ranks_.size();
  json["data"] = inputs_.train.digest;
  json["total_steps"] = rate_.total_steps;
  return json;
}

std::vector<const Example*> TrainingRun::examples_of(std::int64_t step) {
  const std::int64_t epoch = step / steps_per_epoch_;
  const auto count = static_cast<std::int64_t>(inputs_.train.examples.size());
  if (epoch != order_epoch_) {
    order_ = shuffled(count, config_.seed, static_cast<std::uint64_t>(epoch));
    if (config_.sequential) std::ranges::sort(order_);
    order_epoch_ = epoch;
  }
  std::vector<const Example*> examples;
  const std::int64_t first = step % steps_per_epoch_ * batch_;
  for (std::int64_t i = first; i < std::min(first + batch_, count); ++i)
    examples.push_back(
        &inputs_.train.examples[static_cast<std::size_t>(order_[static_cast<std::size_t>(i)])]);
  return examples;
}

void TrainingRun::take_step() {
  const auto start = std::chrono::steady_clock::now();
  const auto examples = examples_of(step_);
  const double rate = rate_.at(step_);
  const StepResult result = trainer_.step(examples, rate);
  if (!result.failure.empty()) {
    save_checkpoint();
    throw input_error(
        fmt::format("step {}: {}; the batch is {} to {}, and the state before it is kept in "
                    "{}/checkpoint-{}; a "
                    "lower learning_rate may help",
                    step_ + 1, result.failure, examples.front()->place, examples.back()->place,
                    config_.output_dir, step_));
  }
  ++step_;
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  Json line = {{"step", step_},
               {"epoch", static_cast<double>(step_) / static_cast<double>(steps_per_epoch_)}};
  for (const auto& [name, value] : result.metrics) line[name] = value;
  line["grad_norm"] = result.gradient_norm;
  line["learning_rate"] = rate;
  line["tokens"] = result.tokens;
  line["tokens_per_second"] = static_cast<double>(result.tokens) / seconds;
  log(line);
}

void TrainingRun::evaluate() {
  if (inputs_.evaluation.examples.empty()) return;
  std::vector<const Example*> examples;
  for (const Example& example : inputs_.evaluation.examples) examples.push_back(&example);
  const StepResult result = trainer_.evaluate(examples);
  if (!result.failure.empty())
    throw input_error(fmt::format("evaluation after step {}: {}", step_, result.failure));
  Json line = {{"step", step_}};
  for (const auto& [name, value] : result.metrics) line["eval_" + name] = value;
  log(line);
}

void TrainingRun::log(const Json& metrics) {
  report_.last_metrics = metrics;
  if (!metrics_) return;
  metrics_->add(metrics);
  if (job_.on_metrics) job_.on_metrics(metrics);
}

void TrainingRun::save_checkpoint() {
  const fs::path folder = fs::path(config_.output_dir) / fmt::format("checkpoint-{}", step_);
  std::unique_ptr<AtomicDirectory> directory;
  if (ranks_.rank() == 0) {
    metrics_->sync();
    AtomicDirectoryOptions options;
    options.overwrite = true;
    directory = std::make_unique<AtomicDirectory>(filesystem_, folder, options);
    write_model_folder(filesystem_, inputs_.source, inputs_.model, config_, directory->partial());
  }
  ranks_.barrier();
  const fs::path partial = directory ? directory->partial() : partial_of(folder);
  write_state(filesystem_, partial, {step_, setting()}, inputs_.model.parameters.values(),
              trainer_.optimiser(), ranks_);
  ranks_.barrier();
  if (!directory) return;
  directory->commit();
  drop_old_checkpoints();
}

void TrainingRun::drop_old_checkpoints() {
  if (config_.save_total_limit == 0) return;
  const auto found = list_run_checkpoints(filesystem_, config_.output_dir);
  const auto limit = static_cast<std::size_t>(config_.save_total_limit);
  for (std::size_t i = 0; i + limit < found.size(); ++i) filesystem_.remove(found[i].second);
}

void TrainingRun::save_result() {
  report_.result = fs::path(config_.output_dir) / "final";
  if (ranks_.rank() == 0) {
    metrics_->sync();
    AtomicDirectoryOptions options;
    options.overwrite = true;
    AtomicDirectory directory(filesystem_, report_.result, options);
    write_model_folder(filesystem_, inputs_.source, inputs_.model, config_, directory.partial());
    directory.commit();
    if (config_.save_dtype != DType::f32 && !inputs_.model.is_lora()) {
      const SavedShare share =
          measure_lost_updates(inputs_.source, inputs_.model, config_.save_dtype);
      report_.warnings.push_back(fmt::format(
          "saved as {}, {} of the {} weights that the training moved ({:.1f} %) are what they were "
          "before; save_dtype float32 keeps them",
          torch_name(config_.save_dtype), share.lost, share.changed,
          100 * static_cast<double>(share.lost) /
              static_cast<double>(std::max<std::uint64_t>(share.changed, 1))));
    }
  }
  ranks_.barrier();
}

void TrainingRun::write_run_file() {
  Json json = {
      {"expo", version()},
      {"command", job_.command},
      {"config", to_json(config_)},
      {"ranks", ranks_.size()},
      {"threads", at::get_num_threads()},
      {"total_steps", rate_.total_steps},
      {"warmup_steps", rate_.warmup_steps},
      {"model", describe_files(filesystem_, *inputs_.source.checkpoint)},
      {"data", {{"train", to_json(inputs_.train.counts)}, {"digest", inputs_.train.digest}}}};
  if (!inputs_.evaluation.examples.empty())
    json["data"]["evaluation"] = to_json(inputs_.evaluation.counts);
  filesystem_.write_text(fs::path(config_.output_dir) / "run.json", format_json(json));
}

void TrainingRun::note(const std::string& text) const {
  if (job_.on_note && ranks_.rank() == 0) job_.on_note(text);
}

}  // namespace expo
