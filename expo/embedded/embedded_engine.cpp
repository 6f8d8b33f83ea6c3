#include "expo/embedded/embedded_engine.h"

#include <fmt/format.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <set>

#include "expo/core/error.h"
#include "expo/embedded/embedded_model.h"
#include "expo/engine/tokens/encoded_conversations.h"
#include "expo/engine/tokens/model_tokenizer.h"
#include "expo/extrapolation/diagnosis/delta_report.h"
#include "expo/extrapolation/diagnosis/delta_warnings.h"
#include "expo/extrapolation/diagnosis/pair_files.h"
#include "expo/extrapolation/write/input_digest.h"
#include "expo/extrapolation/write/output_folder.h"
#include "expo/generation/batch_generator.h"
#include "expo/generation/sequence_scores.h"
#include "expo/matrix/kernels.h"
#include "expo/text/embedding_bounds.h"

namespace expo {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A checkpoint's weights, their indices and the files beside them.
std::vector<std::filesystem::path> source_files(Filesystem& filesystem,
                                                const Checkpoint& checkpoint) {
  std::vector<std::filesystem::path> all;
  std::set<std::filesystem::path> folders;
  for (const SourceFile& file : checkpoint.files()) {
    all.push_back(file.path);
    folders.insert(file.path.parent_path());
  }
  for (const Sidecar& sidecar : checkpoint.sidecars()) {
    if (const auto* path = std::get_if<std::filesystem::path>(&sidecar.content))
      all.push_back(*path);
  }
  for (const auto& folder : folders) {
    for (const std::string& name : filesystem.list(folder.empty() ? "." : folder)) {
      if (name.ends_with(".index.json") || name == "adapter_config.json")
        all.push_back(folder / name);
    }
  }
  return all;
}

class EmbeddedEngine final : public Engine {
 public:
  EmbeddedEngine(Filesystem& filesystem, const Environment& environment, const EmbeddedSpec& spec)
      : filesystem_(filesystem),
        spec_(spec),
        model_(open_model(filesystem, environment, spec)),
        tokenizer_(filesystem, *model_->aligned, spec),
        encoded_([this](const Conversation& one) {
          return within_embedding(tokenizer_.encode(one), one);
        }),
        answered_([this](const Conversation& one) { return answered_prompt(one); }) {
    warnings_ = model_->aligned->warnings();
    if (!model_->sft) return;
    for (const auto& list : {model_->sft->warnings(), quantisation_warnings(*model_->sft),
                             quantisation_warnings(*model_->aligned),
                             file_warnings(filesystem, *model_->sft, *model_->aligned)}) {
      for (const std::string& warning : list) {
        if (std::ranges::find(warnings_, warning) == warnings_.end()) warnings_.push_back(warning);
      }
    }
  }

  EngineDescription describe() const override {
    EngineDescription result;
    result.name = spec_.model;
    result.kind = "embedded";
    if (alpha_) result.alpha = alpha_->description();
    result.effective_alpha = effective_alpha_;
    result.context = static_cast<std::size_t>(model_->architecture.max_positions);
    result.loading_seconds = loading_seconds_;
    result.facts = facts();
    result.identity = identity();
    for (const auto* list : {&warnings_, &plan_warnings_, &delta_warnings_})
      result.warnings.insert(result.warnings.end(), list->begin(), list->end());
    if (const std::string note = expo::describe(rounding_); alpha_ && !note.empty())
      result.notes.push_back(note);
    return result;
  }

  std::vector<std::filesystem::path> sources() const override;

  Json digests(const CancellationToken& cancellation) const override {
    Json result = {{"model", digests_of(*model_->aligned, cancellation)}};
    if (model_->sft) result["sft"] = digests_of(*model_->sft, cancellation);
    return result;
  }

  std::optional<std::vector<std::size_t>> count_tokens(
      std::span<const Conversation> conversations) override {
    std::vector<std::size_t> counts;
    for (const auto* tokens : encoded_.hold(conversations)) counts.push_back(tokens->size());
    return counts;
  }

  std::optional<std::vector<std::size_t>> count_log_prob_tokens(
      std::span<const Conversation> answered) override {
    std::vector<std::size_t> counts;
    for (const auto* one : answered_.hold(answered)) counts.push_back(one->tokens.size());
    return counts;
  }

  AnswerStatistics answer(std::span<const Conversation> prompts, std::span<const AnswerTask> tasks,
                          const AnswerOptions& options, const AnswerSink& sink,
                          const TokenSink& advance, const CancellationToken& cancellation) override;
  std::vector<std::vector<float>> rewards(std::span<const Conversation> answered,
                                          const TokenSink& advance,
                                          const CancellationToken& cancellation) override;
  std::vector<std::vector<float>> log_probs(std::span<const Conversation> answered,
                                            const TokenSink& advance,
                                            const CancellationToken& cancellation) override;
  void move_to(const AlphaSchedule& alpha, const CancellationToken& cancellation) override;

 private:
  Json digests_of(const Checkpoint& checkpoint, const CancellationToken& cancellation) const;
  Json facts() const;
  Json identity() const;
  void require(ModelHead head) const;
  void load(const CancellationToken& cancellation);
  std::vector<TokenId> within_embedding(std::vector<TokenId> ids, const Conversation& of) const;
  AnsweredPrompt answered_prompt(const Conversation& answered) const;
  ScoringOptions scoring(const TokenSink& advance) const;
  StopOptions stop_options(const AnswerOptions& options) const;
  void warn_of_plan(const Plan& plan);
  void take_deltas();

  Filesystem& filesystem_;
  EmbeddedSpec spec_;
  std::unique_ptr<EmbeddedModel> model_;
  ModelTokenizer tokenizer_;
  EncodedConversations<std::vector<TokenId>> encoded_;
  EncodedConversations<AnsweredPrompt> answered_;
  std::optional<AlphaSchedule> alpha_;
  std::optional<WeightMove> move_;  ///< planned; carried out once the weights are loaded
  RoundingDecision rounding_;       ///< the decision made for alpha_
  std::vector<std::string> warnings_;
  std::vector<std::string> plan_warnings_;
  std::vector<std::string> delta_warnings_;
  std::optional<double> effective_alpha_;
  double loading_seconds_ = 0;
};

std::vector<std::filesystem::path> EmbeddedEngine::sources() const {
  std::vector<std::filesystem::path> all = source_files(filesystem_, *model_->aligned);
  if (model_->sft)
    std::ranges::move(source_files(filesystem_, *model_->sft), std::back_inserter(all));
  if (spec_.chat_template) all.push_back(*spec_.chat_template);
  return all;
}

Json EmbeddedEngine::digests_of(const Checkpoint& checkpoint,
                                const CancellationToken& cancellation) const {
  // If no tensor's range was announced, the whole files are read here.
  return to_json(InputDigest(filesystem_, checkpoint).finish(cancellation));
}

Json EmbeddedEngine::facts() const {
  return {{"kind", "embedded"},
          {"device", model_->device.str()},
          {"dtype", torch_name(model_->dtype)},
          {"threads", spec_.threads == 0 ? Json() : Json(spec_.threads)},
          {"deterministic", spec_.deterministic},
          {"rounding", alpha_ ? to_json(rounding_) : Json()},
          {"instructions", model_->device.is_cpu() ? Json(kernels().name) : Json()},
          {"libtorch", TORCH_VERSION}};
}

/// Everything that the answers depend on. If the same bytes are promised, this includes the
/// processor's instruction set on a CPU, and the batch sizes on a GPU, whose matrix products are
/// not batch-invariant.
Json EmbeddedEngine::identity() const {
  Json result = {{"files", describe_files(filesystem_, *model_->aligned)},
                 {"sft", model_->sft ? describe_files(filesystem_, *model_->sft) : Json()},
                 {"alpha", alpha_ ? Json(alpha_->description()) : Json()},
                 {"rounding", rounding_name(spec_.rounding)},
                 {"rounding_seed", spec_.rounding_seed},
                 {"on_mismatch", mismatch_policy_name(spec_.on_mismatch)},
                 {"device", model_->device.str()},
                 {"dtype", torch_name(model_->dtype)},
                 {"config", model_->aligned->config()},
                 {"tokenizer", tokenizer_.digest()},
                 {"end_tokens", tokenizer_.end_tokens()},
                 {"raw_text", spec_.raw_text},
                 {"template_variables", spec_.template_variables},
                 {"deterministic", spec_.deterministic},
                 {"libtorch", TORCH_VERSION}};
  tokenizer_.add_time(result);
  if (model_->device.is_cpu()) {
    result["instructions"] = kernels().name;
  } else if (spec_.deterministic) {
    result["batch_size"] = spec_.max_sequences;
    result["cache_bytes"] = spec_.cache_bytes;
  }
  return result;
}

void EmbeddedEngine::require(ModelHead head) const {
  if (model_->architecture.head == head) return;
  throw usage_error(fmt::format(
      "{}: {}", model_->aligned->location(),
      head == ModelHead::score
          ? "is a language model, which has no reward head; a …ForSequenceClassification is needed"
          : "is a reward model, which cannot generate text; a …ForCausalLM is needed"));
}

void EmbeddedEngine::load(const CancellationToken& cancellation) {
  if (model_->is_loaded()) return;
  const auto start = Clock::now();
  load_model(*model_, spec_, move_, cancellation);
  move_.reset();
  loading_seconds_ += seconds_since(start);
  take_deltas();
}

void EmbeddedEngine::move_to(const AlphaSchedule& alpha, const CancellationToken& cancellation) {
  if (!model_->sft) {
    throw usage_error(model_->aligned->location() +
                      ": the SFT checkpoint (--sft) is needed to move to another alpha");
  }
  const auto start = Clock::now();
  WeightMove move =
      plan_move(*model_->sft, *model_->aligned, alpha, live_options(*model_, spec_), cancellation);
  warn_of_plan(move.plan);
  alpha_ = alpha;
  rounding_ = move.rounding;
  if (model_->is_loaded()) {
    model_->weights->move_to(move, cancellation);
  } else {
    move_ = std::move(move);
  }
  loading_seconds_ += seconds_since(start);
  take_deltas();
}

void EmbeddedEngine::warn_of_plan(const Plan& plan) {
  plan_warnings_ = plan.warnings;
  for (const Mismatch& mismatch : plan.mismatches) {
    plan_warnings_.push_back(
        fmt::format("{}: {}; {}", mismatch.tensor, mismatch.problem, mismatch.treatment));
  }
}

/// Replaces the warnings and measures of the previous α by those of this one.
void EmbeddedEngine::take_deltas() {
  delta_warnings_.clear();
  effective_alpha_.reset();
  if (!alpha_ || !model_->is_loaded()) return;
  const auto& deltas = model_->weights->deltas();
  const bool overruled = rounding_.used != model_->weights->rounding().used;
  rounding_ = model_->weights->rounding();
  delta_warnings_ = delta_warnings(deltas, rounding_.used, false, "--dtype f32");
  // A note would come too late, because notes are read before the weights are.
  if (overruled) delta_warnings_.push_back(expo::describe(rounding_));
  effective_alpha_ = summarise(total(deltas)).effective_alpha;
}

StopOptions EmbeddedEngine::stop_options(const AnswerOptions& options) const {
  StopOptions stop = options.stop;
  if (options.ignore_eos) return stop;
  const auto& ends = tokenizer_.end_tokens();
  stop.tokens.insert(stop.tokens.end(), ends.begin(), ends.end());
  return stop;
}

AnswerStatistics EmbeddedEngine::answer(std::span<const Conversation> prompts,
                                        std::span<const AnswerTask> tasks,
                                        const AnswerOptions& options, const AnswerSink& sink,
                                        const TokenSink& advance,
                                        const CancellationToken& cancellation) {
  require(ModelHead::language);
  std::vector<PromptTokens> inputs;
  for (const Conversation& prompt : prompts)
    inputs.push_back({encoded_.of(prompt), tensor_stream(prompt.id), prompt.place});
  load(cancellation);
  AnswerStatistics statistics;
  const auto count = [&](std::size_t tokens) {
    statistics.tokens += tokens;
    statistics.peak_batch = std::max(statistics.peak_batch, tokens);
    advance(tokens);
  };
  const auto pass_on = [&](const GeneratedAnswer& answer) {
    const bool goes_on =
        answer.finish == FinishReason::length && model_->decoder->is_batch_invariant();
    sink({answer.task, answer.text, answer.finish, answer.tokens.size(),
          goes_on ? answer.tokens : std::vector<TokenId>{}});
  };
  const BatchLimits limits{.max_sequences = spec_.max_sequences,
                           .cache_bytes = spec_.cache_bytes,
                           .deterministic = spec_.deterministic,
                           .threads = spec_.threads};
  const auto start = Clock::now();
  BatchGenerator(*model_->decoder, tokenizer_.tokenizer(), limits)
      .run(inputs, tasks, options.sampling, stop_options(options), pass_on, count, cancellation);
  statistics.seconds = seconds_since(start);
  return statistics;
}

ScoringOptions EmbeddedEngine::scoring(const TokenSink& advance) const {
  return {.deterministic = spec_.deterministic, .advance = advance};
}

std::vector<std::vector<float>> EmbeddedEngine::rewards(std::span<const Conversation> answered,
                                                        const TokenSink& advance,
                                                        const CancellationToken& cancellation) {
  require(ModelHead::score);
  std::vector<std::vector<TokenId>> sequences;
  for (const Conversation& one : answered) sequences.push_back(encoded_.of(one));
  load(cancellation);
  return expo::rewards(*model_->decoder, sequences, scoring(advance), cancellation);
}

/// Conversations are checked when they are counted, before anything runs.
std::vector<TokenId> EmbeddedEngine::within_embedding(std::vector<TokenId> ids,
                                                      const Conversation& of) const {
  check_within_embedding(ids, tokenizer_.tokenizer(), model_->architecture.vocabulary, of.place);
  return ids;
}

AnsweredPrompt EmbeddedEngine::answered_prompt(const Conversation& answered) const {
  AnsweredTokens encoded = tokenizer_.encode_answered(answered);
  return {.tokens = within_embedding(std::move(encoded.tokens), answered),
          .answer_start = encoded.answer_start};
}

std::vector<std::vector<float>> EmbeddedEngine::log_probs(std::span<const Conversation> answered,
                                                          const TokenSink& advance,
                                                          const CancellationToken& cancellation) {
  require(ModelHead::language);
  std::vector<AnsweredPrompt> sequences;
  for (const Conversation& one : answered) sequences.push_back(answered_.of(one));
  load(cancellation);
  return answer_log_probs(*model_->decoder, sequences, scoring(advance), cancellation);
}

}  // namespace

std::unique_ptr<Engine> open_embedded_engine(Filesystem& filesystem, const Environment& environment,
                                             const EmbeddedSpec& spec) {
  return std::make_unique<EmbeddedEngine>(filesystem, environment, spec);
}

}  // namespace expo
