#include "expo/training/run/training_run.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "expo/checkpoint/model_class.h"
#include "expo/checkpoint/output/atomic_directory.h"
#include "expo/checkpoint/output/destination.h"
#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/core/version.h"
#include "expo/extrapolation/write/output_folder.h"
#include "expo/matrix/kernels.h"
#include "expo/training/data/row_order.h"
#include "expo/training/run/setting.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

TrainerOptions trainer_options(const TrainingConfig& config) {
  TrainerOptions options;
  options.adamw = config.adamw;
  options.max_grad_norm = config.max_grad_norm;
  options.pass = {config.per_device_train_batch_size, config.tokens_per_pass};
  options.gradient_checkpointing = config.gradient_checkpointing;
  return options;
}

}  // namespace

TrainingRun::TrainingRun(Filesystem& filesystem, RankGroup& ranks, const TrainingJob& job,
                         TrainingInputs& inputs, RunFolder* folder,
                         const CancellationToken& cancellation)
    : filesystem_(filesystem),
      ranks_(ranks),
      job_(job),
      config_(job.config),
      inputs_(inputs),
      folder_(folder),
      schedule_(inputs.schedule),
      cancellation_(cancellation),
      trainer_(inputs.model, *inputs.objective, ranks, trainer_options(job.config), cancellation) {}

TrainingReport TrainingRun::run() {
  report_.counts = inputs_.train.counts;
  report_.references = inputs_.references;
  report_.warnings = inputs_.warnings;
  begin_folder();
  resume();
  if (folder_ != nullptr) {
    write_run_file();
    session_ = std::make_unique<SessionLog>(filesystem_, folder_->path(), session());
    warn(session_->warning());
    metrics_ = std::make_unique<MetricsLog>(filesystem_, folder_->file("metrics.jsonl"), step_);
  }
  note(step_ == schedule_.rate.total_steps
           ? std::string("all steps were taken already")
           : fmt::format(
                 "{} of {}, from {}",
                 counted(static_cast<std::uint64_t>(schedule_.rate.total_steps - step_), "step"),
                 counted(static_cast<std::uint64_t>(schedule_.batch), "example"),
                 inputs_.train.examples.size()));
  take_steps();
  save_result();
  report_.steps = step_;
  return std::move(report_);
}

void TrainingRun::take_steps() {
  try {
    while (step_ < schedule_.rate.total_steps) {
      take_step();
      if (step_ == schedule_.rate.total_steps || is_due(config_.eval_steps)) evaluate();
      if (is_due(config_.save_steps)) save_checkpoint();
    }
  } catch (const Error& error) {
    // Another rank may have seen it first and be gone.
    if (error.category() != ErrorCategory::interrupted && !cancellation_.cancelled()) throw;
    throw interrupted_error(describe_interruption());
  }
}

std::string TrainingRun::describe_interruption() const {
  const std::string where =
      fmt::format("interrupted after step {} of {}", step_, schedule_.rate.total_steps);
  if (saved_ > 0) {
    return fmt::format("{}; --resume continues from {}", where,
                       RunFolder::checkpoint(config_.output_dir, saved_).string());
  }
  if (config_.save_steps > 0) return where + "; no checkpoint was written yet";
  return where + "; no step was kept, because save_steps is not set";
}

/// Finds out before the first step whether the result can be written.
void TrainingRun::begin_folder() {
  if (folder_ != nullptr) {
    folder_->begin();
    folder_->check_room(bytes_to_write());
  }
  ranks_.barrier();
}

/// The bytes of the result and of as many checkpoints as exist at the same time.
std::uint64_t TrainingRun::bytes_to_write() const {
  const auto values = static_cast<std::uint64_t>(inputs_.model.parameters.values().numel());
  const std::uint64_t model = byte_size(config_.save_dtype, values).value_or(0);
  if (config_.save_steps == 0) return model;
  auto checkpoints = static_cast<std::uint64_t>(schedule_.rate.total_steps / config_.save_steps);
  if (config_.save_total_limit > 0)
    checkpoints = std::min(checkpoints, static_cast<std::uint64_t>(config_.save_total_limit) + 1);
  checkpoints -= std::min(checkpoints, folder_->checkpoints());
  return model + checkpoints * (model + 3 * values * sizeof(float));
}

/// Resumes from the checkpoint that the first rank found, because other machines may see a folder's
/// contents later.
void TrainingRun::resume() {
  at::Tensor newest = at::zeros({1}, at::kDouble);
  if (folder_ != nullptr && config_.resume)
    newest[0] = static_cast<double>(folder_->newest_checkpoint().value_or(0));
  ranks_.sum(newest);
  const auto step = static_cast<std::int64_t>(newest.item<double>());
  if (step == 0) {
    if (config_.resume)
      note("there is no checkpoint to resume from, so the run starts from the beginning");
    return;
  }
  const fs::path folder = RunFolder::checkpoint(config_.output_dir, step);
  const TrainingState state =
      read_state(filesystem_, folder, run_setting(job_, inputs_, ranks_),
                 inputs_.model.parameters.values(), trainer_.optimiser(), ranks_);
  note(fmt::format("resuming from {}", folder.string()));
  const at::Tensor& values = inputs_.model.parameters.values();
  const AdamW& optimiser = trainer_.optimiser();
  ranks_.all_gather(values.narrow(0, optimiser.first(), optimiser.last() - optimiser.first()),
                    values);
  inputs_.model.parameters.refresh();
  step_ = saved_ = report_.resumed_from = state.step;
}

std::vector<const Example*> TrainingRun::examples_of(std::int64_t step) {
  const std::int64_t epoch = step / schedule_.steps_per_epoch;
  const auto count = static_cast<std::int64_t>(inputs_.train.examples.size());
  if (epoch != order_epoch_) {
    order_ = shuffled(count, config_.seed, static_cast<std::uint64_t>(epoch));
    if (config_.sequential) std::ranges::sort(order_);
    order_epoch_ = epoch;
  }
  std::vector<const Example*> examples;
  const std::int64_t first = step % schedule_.steps_per_epoch * schedule_.batch;
  for (std::int64_t i = first; i < std::min(first + schedule_.batch, count); ++i)
    examples.push_back(
        &inputs_.train.examples[static_cast<std::size_t>(order_[static_cast<std::size_t>(i)])]);
  return examples;
}

void TrainingRun::take_step() {
  const auto start = std::chrono::steady_clock::now();
  const auto examples = examples_of(step_);
  const double rate = schedule_.rate.at(step_);
  const StepResult result = trainer_.step(examples, rate);
  if (!result.failure.empty()) stop(result, examples);
  ++step_;
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  Json line = {
      {"step", step_},
      {"epoch", static_cast<double>(step_) / static_cast<double>(schedule_.steps_per_epoch)}};
  for (const auto& [name, value] : result.metrics) line[name] = value;
  line["grad_norm"] = result.gradient_norm;
  line["learning_rate"] = rate;
  line["tokens"] = result.tokens;
  line["tokens_per_second"] = static_cast<double>(result.tokens) / seconds;
  log(line);
}

/// If the gradient is not a number, the weights are unchanged and gave a valid loss, so this state
/// is kept as a checkpoint. Weights that give no number for a row are kept under another name, and
/// a run is never resumed from them automatically.
void TrainingRun::stop(const StepResult& result, std::span<const Example* const> examples) {
  const bool good = result.at_fault == StepResult::AtFault::gradient;
  const fs::path folder = good ? RunFolder::checkpoint(config_.output_dir, step_)
                               : RunFolder::failed(config_.output_dir, step_);
  std::string kept = fmt::format("the state after step {} is kept in {}", step_, folder.string());
  if (step_ > saved_) {
    save_state(folder);
  } else {
    kept = step_ == 0 ? "no step was taken before"
                      : fmt::format("checkpoint-{} has that state", step_);
  }
  std::string rows;
  for (const Example* example : examples.first(std::min<std::size_t>(examples.size(), 16)))
    rows += (rows.empty() ? "" : ", ") + example->place;
  throw input_error(fmt::format("step {}: {}; the batch is {}{}; {}{}", step_ + 1, result.failure,
                                rows, examples.size() > 16 ? ", …" : "", kept,
                                step_ > 0 ? "; a lower learning_rate may help" : ""));
}

void TrainingRun::evaluate() {
  if (inputs_.evaluation.examples.empty()) return;
  std::vector<const Example*> examples;
  for (const Example& example : inputs_.evaluation.examples) examples.push_back(&example);
  const Evaluation result = trainer_.evaluate(examples);
  if (!result.failure.empty()) {
    const fs::path folder = RunFolder::failed(config_.output_dir, step_);
    save_state(folder);
    throw input_error(fmt::format("evaluation after step {}: {}; the state is kept in {}", step_,
                                  result.failure, folder.string()));
  }
  Json line = {{"step", step_}};
  for (const auto& [name, value] : result.metrics) line["eval_" + name] = value;
  log(line);
}

void TrainingRun::log(const Json& metrics) {
  report_.last_metrics = metrics;
  if (!metrics_) return;
  metrics_->add(metrics);
  if (job_.on_metrics) job_.on_metrics(metrics, schedule_.rate.total_steps);
}

void TrainingRun::save_checkpoint() {
  save_state(RunFolder::checkpoint(config_.output_dir, step_));
  saved_ = step_;
  if (folder_ != nullptr && config_.save_total_limit > 0)
    folder_->keep_newest(config_.save_total_limit);
}

void TrainingRun::save_state(const fs::path& folder) {
  std::unique_ptr<AtomicDirectory> directory;
  if (folder_ != nullptr) {
    metrics_->sync();
    directory = folder_->open(folder);
    write_model_folder(filesystem_, inputs_.source, inputs_.model, config_, directory->partial());
  }
  ranks_.barrier();
  const fs::path partial = directory ? directory->partial() : partial_folder(folder);
  write_state(filesystem_, partial, {step_, run_setting(job_, inputs_, ranks_)},
              inputs_.model.parameters.values(), trainer_.optimiser(), ranks_);
  ranks_.barrier();
  if (directory) directory->commit();
}

/// Writes the record before the result, so that there is never a result without a record of what
/// serving leaves of it.
void TrainingRun::save_result() {
  report_.result = fs::path(config_.output_dir) / "final";
  if (folder_ != nullptr) {
    metrics_->sync();
    const auto directory = folder_->open(report_.result);
    write_model_folder(filesystem_, inputs_.source, inputs_.model, config_, directory->partial());
    const std::string warning = measure_serving();
    write_run_file();
    directory->commit();
    warn(warning);
  }
  ranks_.barrier();
}

/// Returns what to warn of. A finished training is not lost over a measurement that fails.
std::string TrainingRun::measure_serving() {
  try {
    report_.serving =
        measure_served_step(inputs_.source, inputs_.model, serving_dtype(config_.save_dtype));
  } catch (const std::exception& error) {
    return fmt::format("what serving leaves of the step could not be measured: {}", error.what());
  }
  const bool has_new_head =
      config_.method == TrainingMethod::reward && !inputs_.source.checkpoint->find(kScoreHead);
  return served_step_warning(*report_.serving, config_, report_.result.string(), has_new_head);
}

void TrainingRun::warn(const std::string& text) {
  if (text.empty()) return;
  report_.warnings.push_back(text);
  if (job_.on_warning) job_.on_warning(text);
}

/// Where the data set lies, and by what a change of its file would show.
Json TrainingRun::describe_data() const {
  Json json = {{"path", filesystem_.canonical(config_.dataset_name).string()}};
  const auto status = filesystem_.status(config_.dataset_name);
  if (!status || !status->is_regular) return json;
  json["size"] = status->size;
  json["modified_ns"] = status->modified_ns;
  return json;
}

void TrainingRun::write_run_file() {
  Json json = {{"expo", version()},
               {"command", job_.command},
               {"config", to_json(config_)},
               {"ranks", ranks_.size()},
               {"threads", at::get_num_threads()},
               {"device", job_.device.is_cpu() ? "cpu" : job_.device_name},
               {"total_steps", schedule_.rate.total_steps},
               {"warmup_steps", schedule_.rate.warmup_steps},
               {"model", describe_files(filesystem_, *inputs_.source.checkpoint)},
               {"data",
                {{"file", describe_data()},
                 {"train", to_json(inputs_.train.counts)},
                 {"digest", inputs_.train.digest}}}};
  if (!inputs_.evaluation.examples.empty())
    json["data"]["evaluation"] = to_json(inputs_.evaluation.counts);
  if (report_.serving) json["serving"] = to_json(*report_.serving);
  folder_->write_record(json);
}

Session TrainingRun::session() const {
  const bool is_cpu = job_.device.is_cpu();
  return {job_.command, is_cpu ? std::string(kernels().name) : std::string(),
          is_cpu ? std::string("cpu") : job_.device_name, job_.started};
}

void TrainingRun::note(const std::string& text) const {
  if (job_.on_note && ranks_.rank() == 0) job_.on_note(text);
}

}  // namespace expo
