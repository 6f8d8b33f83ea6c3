#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "expo/checkpoint/open/model_reference.h"
#include "expo/core/error.h"
#include "expo/core/parallel.h"
#include "expo/matrix/kernels.h"
#include "expo/training/data/byte_digest.h"
#include "expo/training/model/load_weights.h"
#include "expo/training/model/lora_model.h"
#include "expo/training/model/lora_targets.h"
#include "expo/training/model/row_pass.h"
#include "expo/training/ops/bf16_product.h"
#include "expo/training/ranks/agreement.h"
#include "expo/training/run/evaluator.h"
#include "expo/training/run/inputs.h"
#include "expo/training/run/reference_log_probs.h"
#include "expo/training/run/served_step.h"
#include "expo/training/run/setting.h"
#include "expo/training/run/trainer.h"

namespace expo {
namespace {

ChatTokenizer tokenizer_of(Filesystem& filesystem, const Checkpoint& checkpoint,
                           const std::string& chat_template, const std::string& template_path) {
  std::vector<TextFile> files;
  for (const Sidecar& sidecar : checkpoint.sidecars()) {
    files.push_back({sidecar.name, [&filesystem, content = sidecar.content] {
                       if (const auto* text = std::get_if<std::string>(&content)) return *text;
                       return filesystem.read_text(std::get<std::filesystem::path>(content));
                     }});
  }
  ChatTokenizer tokenizer = ChatTokenizer::from_files(files, checkpoint.location());
  if (!chat_template.empty()) tokenizer.set_template(chat_template, template_path);
  return tokenizer;
}

std::unique_ptr<Objective> make_objective(const TrainingConfig& config) {
  switch (config.method) {
    case TrainingMethod::sft:
      return std::make_unique<SftObjective>();
    case TrainingMethod::dpo:
      return std::make_unique<DpoObjective>(config.loss);
    case TrainingMethod::reward:
      return std::make_unique<RewardObjective>(config.center_rewards_coefficient);
  }
  return nullptr;
}

class InputReading {
 public:
  InputReading(Filesystem& filesystem, const Environment& environment, RankGroup& ranks,
               const TrainingJob& job, const CancellationToken& cancellation)
      : filesystem_(filesystem),
        environment_(environment),
        ranks_(ranks),
        job_(job),
        config_(job.config),
        cancellation_(cancellation) {}

  TrainingInputs run() {
    const unsigned threads = config_.threads != 0 ? config_.threads : available_threads();
    at::set_num_threads(static_cast<int>(threads));
    read_source();
    read_architectures();
    inputs_.train =
        read_examples(config_.dataset_name, config_.dataset_train_split, config_.fraction);
    inputs_.schedule = make_schedule(
        config_, static_cast<std::int64_t>(inputs_.train.examples.size()), ranks_.size());
    if (!config_.eval_dataset_name.empty())
      inputs_.evaluation = read_examples(config_.eval_dataset_name, config_.dataset_test_split, 1);
    for (ExampleSet* set : {&inputs_.train, &inputs_.evaluation}) warn_of_context(*set);
    warn();
    inputs_.objective = make_objective(config_);
    make_model();
    inputs_.weights_digest = weights_digest();
    agree(ranks_, common_setting(job_, inputs_, ranks_));
    if (config_.method == TrainingMethod::dpo) find_references();
    return std::move(inputs_);
  }

 private:
  static constexpr const char* kSlow =
      "bf16 is on, but this processor has no instructions for bfloat16: the run is slower than "
      "with "
      "bf16 off, which is the default here, and less exact";

  /// This is checked before hours of work, not after.
  void warn() {
    inputs_.warnings = inputs_.train.warnings;
    if (!inputs_.schedule.warning.empty()) inputs_.warnings.push_back(inputs_.schedule.warning);
    if (config_.bf16 && job_.device.is_cpu() && !has_fast_bf16()) inputs_.warnings.push_back(kSlow);
    for (const std::string& warning : inputs_.evaluation.warnings)
      inputs_.warnings.push_back("evaluation: " + warning);
    if (!job_.on_warning || ranks_.rank() != 0) return;
    for (const std::string& warning : inputs_.warnings) job_.on_warning(warning);
  }

  void read_source() {
    ModelSource& source = inputs_.source;
    source.checkpoint = open_checkpoint(filesystem_, config_.model_name_or_path, {}, environment_);
    if (config_.use_peft && split_reference(filesystem_, config_.model_name_or_path).size() > 1) {
      throw usage_error(fmt::format(
          "{}: an adapter records the name of its base model, but PEFT cannot open BASE+ADAPTER; "
          "merge them first with expo convert, and train the result",
          config_.model_name_or_path));
    }
    const std::string& name = config_.model_name_or_path;
    source.name = filesystem_.exists(name) ? filesystem_.canonical(name).string() : name;
    if (!config_.chat_template_path.empty())
      source.chat_template = filesystem_.read_text(config_.chat_template_path);
    inputs_.tokenizer = std::make_shared<const ChatTokenizer>(tokenizer_of(
        filesystem_, *source.checkpoint, source.chat_template, config_.chat_template_path));
    source.config = config_for_training(source.checkpoint->config(), config_, pad_id());
  }

  /// The tokenizer's padding token or, as is usual, its end-of-text token.
  std::int64_t pad_id() const {
    for (const char* name : {"pad_token", "eos_token"}) {
      if (const auto id = inputs_.tokenizer->special_id(name)) return *id;
    }
    return 0;
  }

  ExampleSet read_examples(const std::string& data, const std::string& split, double fraction) {
    const ExampleOptions options{data,
                                 fraction,
                                 config_.seed,
                                 config_.max_length,
                                 config_.max_prompt_length,
                                 config_.columns,
                                 architecture_.vocabulary,
                                 config_.assistant_only_loss,
                                 config_.completion_only_loss,
                                 config_.threads};
    const RowSource source = [&] {
      return open_rows(filesystem_, data,
                       split.empty() ? std::nullopt : std::optional<std::string>(split));
    };
    const ChatTokenizer& tokenizer = *inputs_.tokenizer;
    switch (config_.method) {
      case TrainingMethod::sft:
        return read_conversations(source, tokenizer, options, cancellation_);
      case TrainingMethod::dpo:
        return read_pairs(source, tokenizer, options, cancellation_);
      case TrainingMethod::reward:
        return read_reward_pairs(source, tokenizer, options, cancellation_);
    }
    return {};
  }

  /// Warns of positions that the model was not trained for, at which its results are unreliable.
  void warn_of_context(ExampleSet& set) const {
    std::size_t longest = 0;
    for (const Example& example : set.examples) {
      for (const TokenRow& row : example.rows) longest = std::max(longest, row.ids.size());
    }
    if (longest <= static_cast<std::size_t>(architecture_.max_positions)) return;
    set.warnings.push_back(fmt::format(
        "rows of up to {} tokens go beyond the model's context of {} (max_position_embeddings); a "
        "lower max_length {}",
        longest, architecture_.max_positions,
        config_.method == TrainingMethod::reward ? "leaves them out" : "cuts them"));
  }

  void read_architectures() {
    architecture_ = read_architecture(inputs_.source.config, inputs_.source.checkpoint->location());
    check_architecture();
    if (config_.use_peft) choose_lora_targets(config_.lora, architecture_);
    if (config_.ref_model_name_or_path.empty()) return;
    reference_ = open_checkpoint(filesystem_, config_.ref_model_name_or_path, {}, environment_);
    if (read_architecture(reference_->config(), reference_->location()) == architecture_) return;
    throw input_error(
        fmt::format("{}: its config.json describes another architecture than that of {}, but the "
                    "reference must be the model that the training started from",
                    config_.ref_model_name_or_path, config_.model_name_or_path));
  }

  void check_architecture() const {
    const Architecture& architecture = architecture_;
    const bool reward = config_.method == TrainingMethod::reward;
    if (reward != (architecture.head == ModelHead::score)) {
      throw usage_error(fmt::format("{}: is a reward model, which {} does not train",
                                    config_.model_name_or_path, word_of(config_.method)));
    }
    if (reward && architecture.labels != 1) {
      throw input_error(fmt::format("{}: gives {} values for a text, but a reward model gives one",
                                    config_.model_name_or_path, architecture.labels));
    }
  }

  void make_model() {
    const at::ScalarType compute = config_.bf16 ? at::kBFloat16 : at::kFloat;
    const std::int64_t multiple = 16 * static_cast<std::int64_t>(ranks_.size());
    inputs_.model = config_.use_peft
                        ? make_lora_model(architecture_, compute, multiple, config_.lora,
                                          config_.seed, job_.device)
                        : make_full_model(architecture_, compute, multiple, job_.device);
    // As in transformers, an embedding has a padding token only if config.json names it.
    const Json& config = inputs_.source.checkpoint->config();
    inputs_.model.knows_padding =
        config.contains("pad_token_id") && !config["pad_token_id"].is_null();
    warn_of_start(load(*inputs_.source.checkpoint));
  }

  Bf16Fit load(const Checkpoint& checkpoint) {
    return load_weights(checkpoint, config_.seed, cancellation_, inputs_.model);
  }

  void warn_of_start(const Bf16Fit& fit) {
    const std::string warning = start_warning(fit, config_);
    if (warning.empty()) return;
    inputs_.warnings.push_back(warning);
    if (job_.on_warning && ranks_.rank() == 0) job_.on_warning(warning);
  }

  void find_references() {
    if (reference_) {
      load(*reference_);
      agree(ranks_, {{"reference", weights_digest()}});
    }
    const std::string model = model_key();
    fill(inputs_.train, model, "pair");
    if (!inputs_.evaluation.examples.empty()) fill(inputs_.evaluation, model, "evaluation pair");
    if (reference_) load(*inputs_.source.checkpoint);
    std::vector<double> values;
    for (const Example& example : inputs_.train.examples)
      values.insert(values.end(), example.reference.begin(), example.reference.end());
    inputs_.references_digest = digest_of_bytes(values.data(), values.size() * sizeof(double));
  }

  /// Adapters start as zero, so the model is its own reference before the first step.
  void fill(ExampleSet& set, const std::string& model, std::string_view noun) {
    RowPass rows(inputs_.model);
    const PassLimits limits{std::numeric_limits<std::int64_t>::max(), config_.tokens_per_pass};
    Evaluator evaluator(rows, ranks_, limits, cancellation_);
    ReferencePass pass;
    const std::string& cache = config_.reference_cache_dir;
    pass.folder = cache.empty() ? config_.output_dir : cache;
    pass.key = {model, set.digest};
    pass.tokens_per_batch = reference_batch();
    pass.noun = noun;
    pass.compute = [&](std::span<const Example> examples) {
      std::vector<const Example*> pointers;
      for (const Example& example : examples) pointers.push_back(&example);
      return evaluator.row_values(pointers);
    };
    pass.on_note = job_.on_note;
    inputs_.references += fill_references(filesystem_, pass, set.examples, ranks_, cancellation_);
  }

  /// The number of tokens that are computed, and kept, together on all ranks. A CPU takes seconds
  /// even for few tokens, and is hardly faster with more.
  std::int64_t reference_batch() const {
    constexpr std::int64_t kOfProcessor = 256;
    const std::int64_t tokens = config_.tokens_per_pass;
    return ranks_.size() * (job_.device.is_cpu() ? std::min(tokens, kOfProcessor) : tokens);
  }

  /// A digest of everything that the values depend on, including rounding.
  std::string model_key() const {
    constexpr int kArithmetic =
        3;  // to be increased when the order of sums or the rounding changes
    const std::string instructions = at::get_cpu_capability() + " " + std::string(kernels().name);
    const std::string text =
        compact_json({{"weights", reference_ ? weights_digest() : inputs_.weights_digest},
                      {"config", (reference_ ? *reference_ : *inputs_.source.checkpoint).config()},
                      {"bf16", config_.bf16},
                      {"tokens_per_pass", config_.tokens_per_pass},
                      {"threads", at::get_num_threads()},
                      {"ranks", ranks_.size()},
                      {"instructions", job_.device.is_cpu() ? instructions : job_.device_name},
                      {"arithmetic", kArithmetic}});
    return digest_of_bytes(text.data(), text.size());
  }

  std::string weights_digest() const {
    if (!inputs_.model.is_lora()) return digest_of(inputs_.model.parameters.values());
    std::string digests;
    for (const auto& [name, tensor] : inputs_.model.named)
      digests += digest_of(tensor.contiguous());
    return digest_of_bytes(digests.data(), digests.size());
  }

  Filesystem& filesystem_;
  const Environment& environment_;
  RankGroup& ranks_;
  const TrainingJob& job_;
  const TrainingConfig& config_;
  const CancellationToken& cancellation_;
  TrainingInputs inputs_;
  Architecture architecture_;
  std::shared_ptr<const Checkpoint> reference_;  ///< null if it is the model itself
};

}  // namespace

TrainingInputs read_inputs(Filesystem& filesystem, const Environment& environment, RankGroup& ranks,
                           const TrainingJob& job, const CancellationToken& cancellation) {
  return InputReading(filesystem, environment, ranks, job, cancellation).run();
}

}  // namespace expo
