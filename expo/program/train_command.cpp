#include <fmt/format.h>
#include <malloc.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <memory>
#include <optional>

#include "expo/cli/run_page.h"
#include "expo/cli/text/progress_line.h"
#include "expo/core/error.h"
#include "expo/core/parallel.h"
#include "expo/core/text.h"
#include "expo/model/device.h"
#include "expo/model/gpu_identity.h"
#include "expo/program/train_command.h"
#include "expo/training/config/keys.h"
#include "expo/training/ranks/distributed_ranks.h"
#include "expo/training/ranks/place.h"
#include "expo/training/run/job.h"

namespace expo {
namespace {

struct Options {
  std::vector<std::string> unknown;
  std::string method;
  std::string config;
  std::vector<std::pair<std::string, std::string>> keys;  // in the order of the command line
  bool json = false;
};

std::string with_hyphens(std::string name) {
  std::ranges::replace(name, '_', '-');
  return name;
}

/// A flag without a value means true.
void declare_key(CLI::App& command, const ConfigKey& key, Options& options) {
  const std::string hyphens = with_hyphens(key.name);
  const std::string names =
      hyphens == key.name ? "--" + hyphens : "--" + hyphens + ",--" + std::string(key.name);
  const std::string name = key.name;
  command.option_defaults()->group(key.section);
  CLI::Option* option = command.add_option_function<std::string>(
      names, [&options, name](const std::string& value) { options.keys.emplace_back(name, value); },
      key.help);
  option->type_name(key.is_flag() ? "[BOOL]" : key.type);
  if (key.is_flag()) option->expected(0, 1)->default_str("true");
}

/// Prints a line for every step, with the time that is left if the remaining steps take as long as
/// those so far.
class MetricsPrinter {
 public:
  void operator()(const Json& metrics, std::int64_t total_steps) {
    const auto step = metrics["step"].get<std::int64_t>();
    std::string line = fmt::format("step {}/{}", step, total_steps);
    for (const auto& [name, value] : metrics.items()) {
      if (!is_shown(name)) continue;
      line += fmt::format("  {} {:.4g}", name, value.get<double>());
    }
    std::cerr << line << time_left(step, total_steps) << "\n";
  }

 private:
  /// The others are in metrics.jsonl only.
  static bool is_shown(const std::string& name) {
    return name != "step" && name != "epoch" && name != "tokens" &&
           name.find("logps/") == std::string::npos && !name.ends_with("rewards/chosen") &&
           !name.ends_with("rewards/rejected");
  }

  using Clock = std::chrono::steady_clock;

  std::string time_left(std::int64_t step, std::int64_t total_steps) {
    if (!first_) first_ = {step, Clock::now()};
    const auto& [first_step, start] = *first_;
    if (step == first_step || step >= total_steps) return {};
    const double share =
        static_cast<double>(step - first_step) / static_cast<double>(total_steps - first_step);
    const std::chrono::duration<double> passed = Clock::now() - start;
    return "  " + ProgressLine::time_left(share, passed.count());
  }

  std::optional<std::pair<std::int64_t, Clock::time_point>> first_;
};

/// Refuses options of other programs, as unknown keys of a YAML file are refused.
void refuse_unknown(const Options& options) {
  for (const std::string& word : options.unknown) {
    if (!word.starts_with("--")) continue;
    const std::string hyphens = with_hyphens(word.substr(2, word.find('=') - 2));
    std::string name = hyphens;
    std::ranges::replace(name, '-', '_');
    const auto is_it = [&](const ConfigKey& key) { return name == key.name; };
    if (std::ranges::any_of(config_keys(), is_it)) {
      throw usage_error(fmt::format("train: the option \"{}\" is not known: did you mean --{}?",
                                    word.substr(0, word.find('=')), hyphens));
    }
    refuse_unknown_key(name, "the command line");
  }
  if (!options.unknown.empty()) {
    throw usage_error(
        fmt::format("train: \"{}\" is not the value of any option; see expo train --help",
                    options.unknown.front()));
  }
}

TrainingConfig configure(const Options& options) {
  refuse_unknown(options);
  TrainingConfig config = default_config(training_method(options.method));
  if (!options.config.empty())
    apply_yaml(config, posix_filesystem().read_text(options.config), options.config);
  for (const auto& [name, value] : options.keys) set_key(config, name, value, "the command line");
  settle_defaults(config);
  return config;
}

/// Tensors of the same sizes come and go. Keeping their memory saves a tenth of the time, which the
/// system would otherwise spend on handing out zeroed pages again.
void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 48 << 20);  // larger blocks go back to the system
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_ARENA_MAX, 1);
#endif
}

void prepare_device(TrainingJob& job) {
  if (!job.device.is_cuda()) return;
  make_repeatable(job.device);
  // With this, a call that waits too long throws; otherwise a thread of c10d would end the process.
  ::setenv("TORCH_NCCL_BLOCKING_WAIT", "1", 0);
  const GpuIdentity gpu = identify_gpu(job.device.index());
  settle_device(job.config, gpu.capability);
  job.device_name = gpu.name;
}

void run(const Options& options, const CommandContext& context) {
  keep_freed_memory();
  TrainingJob job;
  job.config = configure(options);
  job.command = context.command_line;
  job.on_metrics = MetricsPrinter();
  job.on_warning = [](const std::string& text) {
    std::cerr << "warning: " << on_one_line(text) << "\n";
  };
  job.on_note = [](const std::string& text) { std::cerr << on_one_line(text) << "\n"; };
  const RankPlace place = find_rank_place([](const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  });
  check(job.config);
  // This must come before any other call of PyTorch.
  job.device = choose_device(job.config.device, place.local_rank);
  prepare_device(job);
  if (job.config.threads == 0)
    job.config.threads =
        std::max(1U, available_threads() / static_cast<unsigned>(std::max(1, place.local_size)));
  const auto ranks = join_ranks(place, job.config.ddp_timeout, job.device);
  const TrainingReport report = run_training(posix_filesystem(), hugging_face_environment(), *ranks,
                                             job, context.cancellation);
  if (ranks->rank() != 0) return;
  const std::string page = write_run_page(job.config.output_dir, {}, context);
  if (options.json) {
    std::cout << format_json(to_json(report));
  } else {
    std::cout << fmt::format("wrote {} ({})\n", on_one_line(report.result.string()),
                             counted(static_cast<std::uint64_t>(report.steps), "step"));
  }
  (options.json ? std::cerr : std::cout) << page;
}

}  // namespace

std::function<void(const CommandContext&)> declare_train(CLI::App& program) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand(
      "train",
      "Train a model by supervised fine-tuning (sft) or DPO (dpo), or a reward model (reward)");
  command->add_option("METHOD", options->method, "sft, dpo or reward")->required();
  command->option_defaults()->group("Configuration");
  command
      ->add_option("--config", options->config,
                   "YAML file of the keys below; options on the command line override it")
      ->type_name("FILE");
  command->add_flag("--json", options->json, "Print the result as one JSON object");
  for (const ConfigKey& key : config_keys()) declare_key(*command, key, *options);
  command->footer(
      "Example:\n  expo train dpo --model-name-or-path SFT --dataset-name pairs.jsonl "
      "--output-dir RUN");
  command->allow_extras();
  return [options, command](const CommandContext& context) {
    options->unknown = command->remaining();
    run(*options, context);
  };
}

}  // namespace expo
