#include "expo/extrapolation/extrapolation_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <memory>

#include "expo/checkpoint/gguf/writer.h"
#include "expo/checkpoint/safetensors/layout.h"
#include "expo/core/error.h"
#include "expo/core/version.h"
#include "expo/extrapolation/diagnosis/model_files.h"
#include "expo/extrapolation/diagnosis/pair_files.h"
#include "expo/extrapolation/diagnosis/verdict.h"
#include "expo/extrapolation/plan/tensor_groups.h"
#include "expo/extrapolation/plan/work_list.h"
#include "expo/extrapolation/write/fixed_files.h"
#include "expo/extrapolation/write/model_card.h"
#include "expo/extrapolation/write/output_folder.h"
#include "expo/extrapolation/write/output_place.h"
#include "expo/extrapolation/write/pipeline.h"

namespace expo {
namespace {

/// The short name of a model for the card: its id, or the last component of its path.
std::string display_name(const Checkpoint& checkpoint, const std::string& reference) {
  if (!checkpoint.model_id().empty()) return checkpoint.model_id();
  std::filesystem::path path(reference);
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

class Job {
 public:
  Job(Filesystem& filesystem, const Environment& environment, const ExtrapolationJob& job,
      Progress* progress, const CancellationToken& cancellation)
      : filesystem_(filesystem),
        environment_(environment),
        job_(job),
        progress_(progress),
        cancellation_(cancellation) {}

  ExtrapolationReport run() {
    const auto start = std::chrono::steady_clock::now();
    open();
    plan();
    estimate();
    decide();
    if (!job_.dry_run) write();
    report_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(report_);
  }

 private:
  bool gguf_output() const { return OutputPlace::is_file(job_.output); }

  void open() {
    OpenOptions options;
    options.native_gguf_names = gguf_output();
    sft_ = open_checkpoint(filesystem_, job_.sft, options, environment_);
    options.adapter_base = sft_;
    aligned_ = open_checkpoint(filesystem_, job_.aligned, options, environment_);
    for (const auto* side : {sft_.get(), aligned_.get()}) {
      // An adapter also stands for its base, which may be the other model.
      std::ranges::copy_if(
          side->warnings(), std::back_inserter(report_.warnings), [&](const std::string& warning) {
            return std::ranges::find(report_.warnings, warning) == report_.warnings.end();
          });
      for (std::string& warning : quantisation_warnings(*side))
        report_.warnings.push_back(std::move(warning));
    }
    for (std::string& warning : file_warnings(filesystem_, *sft_, *aligned_))
      report_.warnings.push_back(std::move(warning));
    if (gguf_output() && (sft_->format() != "GGUF" || aligned_->format() != "GGUF")) {
      throw usage_error(job_.output.string() +
                        ": GGUF output needs two GGUF inputs, whose metadata it takes over, but "
                        "one of them is not GGUF");
    }
  }

  void plan() {
    PlanOptions options{job_.alpha, job_.out_type, job_.on_mismatch};
    if (job_.rounding == RoundingChoice::like_original) options.out_type = DType::bf16;
    if (gguf_output() && job_.rounding == RoundingChoice::like_original) {
      throw usage_error(
          "--like-original writes bfloat16 throughout, as the authors' script does, but a GGUF "
          "holds its vectors in float32; write a checkpoint folder");
    }
    plan_ = make_plan(*sft_, *aligned_, options, cancellation_);
    if (job_.layer_order) sort_by_layer();
    report_.mismatches = plan_.mismatches;
    report_.warnings.insert(report_.warnings.end(), plan_.warnings.begin(), plan_.warnings.end());
    for (TensorPlan& tensor : plan_.tensors) outputs_.push_back(output_tensor(tensor));
    if (quantised_output() && job_.rounding == RoundingChoice::stochastic) {
      throw usage_error(
          "--rounding stochastic has no effect on Q8_0 blocks, which are rounded to nearest; write "
          "bf16 or f16 with --out-dtype, and quantise later");
    }
    layout_ = gguf_output() ? layout_gguf(filesystem_, aligned_->files().front().path, outputs_,
                                          job_.output.filename().string())
                            : layout_safetensors(outputs_, job_.max_shard_size);
    settings_ = settings();
  }

  /// What precedes the layers (embeddings), the layers, what follows them (final norm, head).
  void sort_by_layer() {
    const unsigned layers = count_layers(*aligned_);
    const auto place = [&](const TensorPlan& plan) -> unsigned {
      const std::string& name = aligned_->tensors()[plan.aligned].name;
      if (const auto layer = layer_of(name)) return *layer + 1;
      const std::string kind = group_of(name).kind;
      return kind == "embedding" ? 0 : layers + 1;
    };
    std::ranges::stable_sort(plan_.tensors, {}, place);
  }

  void decide() {
    const RoundingRequest request{job_.rounding, job_.seed, job_.threads, !quantised_output()};
    rounding_ = decide_rounding(sft_.get(), *aligned_, plan_, request, cancellation_);
    report_.rounding = rounding_;
  }

  bool quantised_output() const {
    return std::ranges::any_of(
        outputs_, [](const OutputTensor& tensor) { return tensor.encoding != Encoding::plain; });
  }

  OutputTensor output_tensor(TensorPlan& plan) const {
    const Tensor& tensor = aligned_->tensors()[plan.aligned];
    if (gguf_output()) choose_gguf_type(tensor, plan);
    OutputTensor output{tensor.name, tensor.shape, plan.out_type, Encoding::plain};
    const bool wanted = job_.q8_0 || (!job_.out_type && tensor.stored == "Q8_0");
    if (gguf_output() && wanted && tensor.shape.size() >= 2 && tensor.shape.back() % 32 == 0) {
      output.dtype = DType::f32;
      output.encoding = Encoding::q8_0;
    }
    return output;
  }

  /// llama.cpp wants vectors in float32 whatever the type of the matrices. Matrices from blocks
  /// smaller than those written here become float16, the 16-bit type that holds their values best.
  void choose_gguf_type(const Tensor& tensor, TensorPlan& plan) const {
    if (!supports_arithmetic(tensor.dtype)) return;
    if (tensor.shape.size() < 2) {
      plan.out_type = tensor.nominal;
    } else if (!job_.out_type && tensor.stored.starts_with("Q")) {
      plan.out_type = DType::f16;
    }
  }

  void estimate() {
    report_.output = job_.output;
    report_.alpha = job_.alpha.description();
    report_.asked_alpha = job_.alpha.uniform();
    report_.tensors = outputs_.size();
    report_.threads =
        job_.threads != 0 ? job_.threads : default_threads(sft_.get(), *aligned_, plan_);
    report_.free_bytes = filesystem_.free_bytes(job_.output);
    report_.dry_run = job_.dry_run;
    std::uint64_t total = 0;
    for (const OutputFile& file : layout_.files) {
      report_.files.emplace_back(file.name, file.size);
      total += file.size;
    }
    report_.memory_bytes = (std::uint64_t{30} << 20) + 5 * kBlockBytes * report_.threads;
    report_.bytes_written = total;
    for (const auto* side : {sft_.get(), aligned_.get()}) {
      for (const Tensor& tensor : side->tensors())
        report_.bytes_read += tensor.extent ? tensor.extent->bytes : 0;
    }
    check_output();
  }

  AtomicDirectoryOptions directory_options() const {
    AtomicDirectoryOptions options;
    options.overwrite = job_.overwrite;
    options.resume = job_.resume;
    for (const auto* side : {sft_.get(), aligned_.get()}) {
      const auto paths = input_paths(filesystem_, *side);
      options.inputs.insert(options.inputs.end(), paths.begin(), paths.end());
    }
    return options;
  }

  /// Finds, without touching the destination and before weights are read, what is wrong with it. A
  /// run that is resumed has already written a part.
  void check_output() {
    OutputPlace::check(filesystem_, job_.output, directory_options());
    const std::uint64_t taken = fixed_bytes(usable_fixed_files(), layout_);
    if (!job_.resume) check_free_space(filesystem_, job_.output, report_.bytes_written - taken);
  }

  const FixedFiles* usable_fixed_files() const {
    const bool fit = job_.fixed && !job_.resume && job_.fixed->settings == settings_;
    return fit ? job_.fixed.get() : nullptr;
  }

  /// Returns the bytes that need not be written.
  std::uint64_t take_fixed(const AtomicDirectory& directory) {
    return take_fixed_files(filesystem_, usable_fixed_files(), layout_, rounding_.used,
                            directory.partial(), *journal_);
  }

  void write() {
    OutputPlace place(filesystem_, job_.output, directory_options());
    AtomicDirectory& directory = place.directory();
    take_over(directory);
    const std::uint64_t taken = take_fixed(directory);
    if (!report_.resumed) check_free_space(filesystem_, job_.output, report_.bytes_written - taken);
    PipelineResult result = compute(directory);
    if (rounding_.overruled_by(deltas_of(result))) {
      directory.start_over();
      report_.resumed = false;
      open_journal(directory);
      take_fixed(directory);
      result = compute(directory);
    }
    take(result);
    try {
      if (!gguf_output()) write_surroundings(directory.partial());
      write_index(filesystem_, layout_, directory.partial());
      cancellation_.check();
    } catch (const Error& error) {
      keep_finished(directory, has_finished(), error);
    }
    if (!gguf_output()) {
      report_.fixed = std::make_shared<FixedFiles>(
          find_fixed_files(*aligned_, plan_, outputs_, layout_, result.sums, rounding_.used,
                           directory.destination(), settings_));
    }
    place.commit();
  }

  void open_journal(const AtomicDirectory& directory) {
    journal_ = std::make_unique<RunJournal>(filesystem_, directory.partial(), fingerprint());
  }

  /// The interrupted run may have found by all weights what this one's sample does not see.
  bool take_over_overruled(const AtomicDirectory& directory) {
    if (rounding_.choice != RoundingChoice::automatic || rounding_.used != Rounding::nearest)
      return false;
    const RoundingDecision by_sample = rounding_;
    rounding_.used = Rounding::stochastic;
    open_journal(directory);
    if (journal_->load()) return true;
    rounding_ = by_sample;
    open_journal(directory);
    return false;
  }

  void take_over(AtomicDirectory& directory) {
    open_journal(directory);
    report_.resumed = directory.resumed() && journal_->load();
    if (!directory.resumed() || report_.resumed) return;
    report_.resumed = take_over_overruled(directory);
    if (report_.resumed) return;
    report_.warnings.push_back(
        "what the interrupted run left could not be used (other inputs or settings, or nothing "
        "finished), so this run started over");
    directory.start_over();
  }

  PipelineResult compute(AtomicDirectory& directory) {
    try {
      PipelineResult result =
          run_pipeline(filesystem_, sft_.get(), *aligned_, plan_, outputs_, layout_,
                       directory.partial(), pipeline_options(), cancellation_);
      directory.keep_on_failure(has_finished());
      return result;
    } catch (const Error& error) {
      // An error in the inputs would occur again.
      keep_finished(directory, has_finished() && error.category() != ErrorCategory::input, error);
    } catch (...) {
      directory.keep_on_failure(has_finished());
      throw;
    }
  }

  /// Whether there is something to keep for a later run.
  bool has_finished() const { return job_.keep_finished && !journal_->empty(); }

  [[noreturn]] static void keep_finished(AtomicDirectory& directory, bool keep,
                                         const Error& error) {
    directory.keep_on_failure(keep);
    if (!keep) throw error;
    throw Error(error.category(),
                std::string(error.what()) +
                    "; the files that were finished are kept: --resume continues from them");
  }

  PipelineOptions pipeline_options() const {
    PipelineOptions options;
    options.rounding = rounding_.used;
    options.seed = job_.seed;
    options.threads = report_.threads;
    options.allow_overflow = job_.allow_overflow;
    options.journal = journal_.get();
    options.digests = job_.input_digests;
    options.progress = progress_;
    options.what = "extrapolating";
    return options;
  }

  Json fingerprint() const {
    Json all = settings_;
    Json& alphas = all["alpha"] = Json::array();
    for (const TensorPlan& tensor : plan_.tensors) alphas.push_back(tensor.alpha);
    all["rounding"] = {rounding_name(job_.rounding), rounding_name(rounding_.used)};
    return all;
  }

  /// All that the output's weights depend on, but α and the rounding.
  Json settings() const {
    Json layout = Json::array();
    // The head of a file lists its tensors with their types and shapes.
    for (const OutputFile& file : layout_.files)
      layout.push_back({file.name, file.size, tensor_stream(file.head)});
    return {{"version", version()},
            {"sft", describe_files(filesystem_, *sft_)},
            {"aligned", describe_files(filesystem_, *aligned_)},
            // An adapter's weights are read according to its base's configuration.
            {"configurations", {sft_->config(), aligned_->config()}},
            {"seed", job_.seed},
            {"on_mismatch", static_cast<int>(job_.on_mismatch)},
            {"allow_overflow", job_.allow_overflow},
            {"layout", layout}};
  }

  std::vector<TensorDelta> deltas_of(const PipelineResult& result) const {
    std::vector<TensorDelta> deltas;
    for (std::size_t i = 0; i < plan_.tensors.size(); ++i) {
      if (!plan_.tensors[i].sft) continue;
      deltas.push_back(
          {outputs_[i].name, result.sums[i].elements, result.sums[i], plan_.tensors[i].alpha});
    }
    return deltas;
  }

  void take(const PipelineResult& result) {
    report_.rounding = rounding_;
    report_.deltas = deltas_of(result);
    report_.asked_alpha = job_.alpha.uniform().value_or(asked_alpha(report_.deltas));
    report_.bytes_read = result.bytes_read;
    report_.bytes_written = result.bytes_written;
    report_.sft_files = result.sft_files;
    report_.aligned_files = result.aligned_files;
    const auto warnings = delta_warnings(report_.deltas, rounding_.used, quantised_output());
    report_.warnings.insert(report_.warnings.end(), warnings.begin(), warnings.end());
    const Verdict verdict = judge(report_.deltas, pair_facts(filesystem_, *sft_, *aligned_));
    report_.verdict = relation_name(verdict.relation);
    if (verdict.warns() && verdict.relation != Relation::same_model) {
      report_.warnings.push_back(verdict.headline + " " + verdict.advice +
                                 " (`expo inspect` shows the evidence)");
    }
  }

  void write_surroundings(const std::filesystem::path& folder) {
    write_sidecars(filesystem_, *aligned_, outputs_, folder);
    filesystem_.write_text(folder / "README.md", model_card(card_facts()));
    filesystem_.write_text(folder / "run.json", format_json(run_record()));
  }

  ModelCardFacts card_facts() const {
    ModelCardFacts facts;
    facts.sft = display_name(*sft_, job_.sft);
    facts.aligned = display_name(*aligned_, job_.aligned);
    facts.alpha = report_.alpha;
    facts.out_dtype = torch_name(main_dtype(outputs_));
    facts.rounding = rounding_;
    facts.recipe = recipe_lines(facts);
    facts.delta = summarise(total(report_.deltas));
    for (const Mismatch& mismatch : report_.mismatches) {
      facts.treated.push_back(
          fmt::format("`{}`: {}; {}", mismatch.tensor, mismatch.problem, mismatch.treatment));
    }
    facts.version = version();
    return facts;
  }

  /// Returns the settings as a recipe if a recipe can express all of them.
  std::string recipe_lines(const ModelCardFacts& facts) const {
    if (!job_.alpha.uniform() || job_.rounding == RoundingChoice::like_original ||
        job_.allow_overflow)
      return {};
    std::string text = fmt::format("sft: {}\naligned: {}\nalpha: {}\n", yaml_quoted(facts.sft),
                                   yaml_quoted(facts.aligned), *job_.alpha.uniform());
    if (job_.out_type) text += fmt::format("out_dtype: {}\n", torch_name(*job_.out_type));
    // The rounding that was used is written instead of `auto`, whose bounds may differ in another
    // version.
    text += fmt::format("rounding: {}\n", rounding_name(rounding_.used));
    if (rounding_.used == Rounding::stochastic) text += fmt::format("seed: {}\n", job_.seed);
    if (job_.on_mismatch != MismatchPolicy::refuse)
      text += fmt::format("on_mismatch: {}\n", mismatch_policy_name(job_.on_mismatch));
    if (job_.max_shard_size != ExtrapolationJob().max_shard_size)
      text += fmt::format("max_shard_size: {}\n", job_.max_shard_size);
    return text;
  }

  /// The record holds enough to repeat the run and to check that the inputs are the same.
  Json run_record() const {
    Json record = {{"expo", version()}, {"command", job_.command}};
    record["settings"] = {
        {"sft", job_.sft},
        {"aligned", job_.aligned},
        {"alpha", report_.alpha},
        {"out_dtype", job_.out_type ? Json(torch_name(*job_.out_type)) : Json(nullptr)},
        {"rounding", rounding_name(job_.rounding)},
        {"seed", job_.seed},
        {"on_mismatch", mismatch_policy_name(job_.on_mismatch)},
        {"max_shard_size", job_.max_shard_size},
        {"allow_overflow", job_.allow_overflow}};
    record["inputs"] = {{"sft", to_json(report_.sft_files)},
                        {"aligned", to_json(report_.aligned_files)}};
    const Json report = to_json(report_);
    for (const char* key : {"rounding", "delta", "verdict", "groups", "mismatches", "warnings"})
      record[key] = report.at(key);
    return record;
  }

  Filesystem& filesystem_;
  const Environment& environment_;
  const ExtrapolationJob& job_;
  Progress* progress_;
  const CancellationToken& cancellation_;
  std::shared_ptr<const Checkpoint> sft_;
  std::shared_ptr<const Checkpoint> aligned_;
  Plan plan_;
  std::vector<OutputTensor> outputs_;
  OutputLayout layout_;
  Json settings_;
  RoundingDecision rounding_;
  std::unique_ptr<RunJournal> journal_;
  ExtrapolationReport report_;
};

}  // namespace

ExtrapolationReport run_extrapolation(Filesystem& filesystem, const Environment& environment,
                                      const ExtrapolationJob& job, Progress* progress,
                                      const CancellationToken& cancellation) {
  return Job(filesystem, environment, job, progress, cancellation).run();
}

}  // namespace expo
