#include "expo/served/served_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/core/error.h"
#include "expo/engine/tokens/encoded_conversations.h"
#include "expo/engine/tokens/model_tokenizer.h"
#include "expo/http/server_words.h"
#include "expo/served/dialect.h"
#include "expo/served/model_check.h"
#include "expo/served/openai_dialect.h"
#include "expo/served/request_seed.h"
#include "expo/served/served_models.h"
#include "expo/served/watched_requests.h"

namespace expo {
namespace {

using Clock = std::chrono::steady_clock;

/// How many sequences a request for rewards holds.
constexpr std::size_t kRewardsAtOnce = 4;

/// The tokenizer of the served checkpoint, with the encodings of what is at work.
class LocalTokens {
 public:
  LocalTokens(Filesystem& filesystem, const Checkpoint& checkpoint, const TemplateSpec& spec)
      : tokenizer(filesystem, checkpoint, spec) {}
  LocalTokens(const LocalTokens&) = delete;
  LocalTokens& operator=(const LocalTokens&) = delete;

  ModelTokenizer tokenizer;
  EncodedConversations<std::vector<TokenId>> encoded{
      [this](const Conversation& one) { return tokenizer.encode(one); }};
  EncodedConversations<AnsweredTokens> answered{
      [this](const Conversation& one) { return tokenizer.encode_answered(one); }};
};

HttpOptions http_options(const ServedSpec& spec) {
  HttpOptions options;
  options.most_in_flight = spec.max_requests;
  options.answer_limit =
      std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(spec.answer_seconds * 1000)));
  return options;
}

ApiKey key_of(const ServedSpec& spec) {
  return spec.key_variable.empty() ? ApiKey() : ApiKey::from_environment(spec.key_variable);
}

/// The rows of a request that holds several: "one of a.jsonl:5, a.jsonl:6".
std::string places_of(std::span<const Conversation> rows) {
  std::string places = rows.size() > 1 ? "one of " : "";
  for (const Conversation& row : rows) places += (&row == &rows.front() ? "" : ", ") + row.place;
  return places;
}

/// Whether a server's name for its model may lead to something else here: it is relative to the
/// folder that the server was started in, and not a Hugging Face id.
bool is_relative(const std::string& root) {
  const std::filesystem::path path(root);
  return !path.is_absolute() && (root.starts_with('.') || std::ranges::count(root, '/') > 1 ||
                                 std::filesystem::exists(path));
}

class ServedEngine final : public Engine {
 public:
  ServedEngine(Filesystem& filesystem, const Environment& environment, const ServedSpec& spec,
               const CancellationToken& cancellation)
      : spec_(spec),
        dialect_(make_dialect(spec)),
        client_(ServerAddress(spec.url, "MODEL"), key_of(spec), http_options(spec)),
        model_(find_served_model(facts_of(client_, cancellation), spec.model)) {
    dialect_->learn(facts_of(client_, cancellation), model_);
    if (makes_tokens()) open_tokens(filesystem, environment);
  }

  EngineDescription describe() const override {
    EngineDescription result;
    result.name = model_.id;
    result.kind = server_kind_name(spec_.kind);
    if (alpha_) result.alpha = alpha_->description();
    result.context = model_.context;
    result.facts = {{"kind", result.kind},
                    {"url", client_.address().text()},
                    {"model", model_.id},
                    {"root", model_.root},
                    {"version", model_.version}};
    result.identity = identity();
    return result;
  }

  std::optional<std::vector<std::size_t>> count_tokens(
      std::span<const Conversation> conversations) override {
    if (!local_) return std::nullopt;
    std::vector<std::size_t> counts;
    for (const auto* tokens : local_->encoded.hold(conversations)) counts.push_back(tokens->size());
    return counts;
  }

  std::optional<std::vector<std::size_t>> count_log_prob_tokens(
      std::span<const Conversation> answered) override {
    if (!local_) return std::nullopt;
    std::vector<std::size_t> counts;
    // The server has to write one more, because there is no request without an answer.
    for (const auto* one : local_->answered.hold(answered))
      counts.push_back(one->tokens.size() + 1);
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
  /// Whether expo, not the server, makes tokens of conversations.
  bool makes_tokens() const { return spec_.kind != ServerKind::openai || !spec_.tokenizer.empty(); }
  void open_tokens(Filesystem& filesystem, const Environment& environment);
  Json identity() const;
  void check_sampling(const AnswerOptions& options) const;
  void check_activation(const Conversation& row, const CancellationToken& cancellation);
  HttpAnswer ask_rewards(const std::vector<std::vector<TokenId>>& sequences, bool activated,
                         const CancellationToken& cancellation);
  std::string where() const { return client_.address().text(); }
  std::string where(const Conversation& row) const {
    return fmt::format("{}: {}", row.place, where());
  }

  ServedSpec spec_;
  std::unique_ptr<Dialect> dialect_;
  HttpClient client_;
  ServedModel model_;
  std::unique_ptr<LocalTokens> local_;
  std::optional<AlphaSchedule> alpha_;
  bool by_pooling_ = false;         ///< the server has no /classify
  bool is_activation_off_ = false;  ///< checked
};

void ServedEngine::open_tokens(Filesystem& filesystem, const Environment& environment) {
  std::string reference = spec_.tokenizer;
  if (reference.empty()) {
    reference = model_.root.empty() ? model_.id : model_.root;
    if (spec_.kind == ServerKind::vllm && is_relative(reference)) {
      throw input_error(
          fmt::format("{}: the server has read its model from {}, which is relative to a folder "
                      "that it does not tell; start it with the whole path, or name the checkpoint "
                      "with its tokenizer and chat template by --tokenizer",
                      where(), cut_words(reference)));
    }
  }
  try {
    const auto checkpoint = open_checkpoint(filesystem, reference, {}, environment);
    local_ = std::make_unique<LocalTokens>(filesystem, *checkpoint, spec_);
  } catch (const Error& error) {
    if (!spec_.tokenizer.empty()) throw;
    throw Error(error.category(),
                fmt::format("{}; the server's model is read here for its tokenizer and chat "
                            "template only: --tokenizer names where they are",
                            error.what()));
  }
}

/// Everything that the answers depend on and that can be known from here.
Json ServedEngine::identity() const {
  Json result = {{"kind", server_kind_name(spec_.kind)},
                 {"model", model_.id},
                 {"root", model_.root},
                 {"version", model_.version},
                 {"adapters", model_.adapters},
                 {"adapter_paths", model_.adapter_paths},
                 {"alpha", alpha_ ? Json(alpha_->description()) : Json()},
                 {"raw_text", spec_.raw_text}};
  if (!local_) return result;
  result["tokenizer"] = local_->tokenizer.digest();
  result["end_tokens"] = local_->tokenizer.end_tokens();
  result["template_variables"] = spec_.template_variables;
  local_->tokenizer.add_time(result);
  return result;
}

void ServedEngine::check_sampling(const AnswerOptions& options) const {
  const std::vector<std::string> names = dialect_->misread(options);
  if (names.empty() || spec_.allow_other_sampling) return;
  throw usage_error(
      fmt::format("{}: a server of the kind {} may take {} for something else than vLLM and the "
                  "models that expo runs, or not at all; leave it out, or accept that with "
                  "--allow-other-sampling",
                  where(), server_kind_name(spec_.kind), fmt::join(names, ", ")));
}

AnswerStatistics ServedEngine::answer(std::span<const Conversation> prompts,
                                      std::span<const AnswerTask> tasks,
                                      const AnswerOptions& options, const AnswerSink& sink,
                                      const TokenSink& advance,
                                      const CancellationToken& cancellation) {
  check_sampling(options);
  AnswerStatistics statistics;
  const std::vector<TokenId> ends =
      local_ ? local_->tokenizer.end_tokens() : std::vector<TokenId>();
  const auto prompt_of = [&](std::size_t number) {
    const Conversation& prompt = prompts[tasks[number].prompt];
    return OutgoingPrompt{prompt, local_ ? local_->encoded.of(prompt) : std::vector<TokenId>()};
  };
  ServedWork work{.count = tasks.size()};
  work.request = [&](std::size_t number) {
    const OutgoingPrompt prompt = prompt_of(number);
    return dialect_->answer_request(
        model_, prompt, options,
        request_seed(options.sampling.seed, prompt.conversation.id, tasks[number].sample), ends);
  };
  work.place = [&](std::size_t number) { return prompts[tasks[number].prompt].place; };
  work.read = [&](std::size_t number, const HttpAnswer& received) -> std::function<void()> {
    const OutgoingPrompt prompt = prompt_of(number);
    Answer answer = dialect_->read_answer(
        received, {prompt.tokens.size(), token_limit(options, model_, prompt), model_.context},
        where(prompt.conversation));
    answer.task = tasks[number];
    return [&, answer]() mutable {
      statistics.tokens += answer.tokens;
      advance(answer.tokens);
      sink(std::move(answer));
    };
  };
  const auto start = Clock::now();
  WatchedRequests requests(client_, *dialect_, model_);
  requests.run(work, cancellation);
  statistics.peak_batch = requests.most_in_flight();
  statistics.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return statistics;
}

std::vector<std::vector<float>> ServedEngine::log_probs(std::span<const Conversation> answered,
                                                        const TokenSink& advance,
                                                        const CancellationToken& cancellation) {
  if (!dialect_->has_log_probs()) refuse("compute log-probabilities of answers");
  if (!local_) {
    throw usage_error(where() +
                      ": log-probabilities of an answer need the model's tokenizer, to know where "
                      "the answer begins; name its checkpoint by --tokenizer");
  }
  std::vector<std::vector<float>> results(answered.size());
  ServedWork work{.count = answered.size()};
  work.request = [&](std::size_t number) {
    return dialect_->log_prob_request(model_, local_->answered.of(answered[number]).tokens);
  };
  work.place = [&](std::size_t number) { return answered[number].place; };
  work.read = [&](std::size_t number, const HttpAnswer& received) -> std::function<void()> {
    const AnsweredTokens of = local_->answered.of(answered[number]);
    results[number] =
        dialect_->read_log_probs(received, of.tokens, of.answer_start, where(answered[number]));
    return [&, count = of.tokens.size()] { advance(count); };
  };
  WatchedRequests(client_, *dialect_, model_).run(work, cancellation);
  return results;
}

HttpAnswer ServedEngine::ask_rewards(const std::vector<std::vector<TokenId>>& sequences,
                                     bool activated, const CancellationToken& cancellation) {
  return client_.ask(dialect_->reward_request(model_, sequences, activated, by_pooling_),
                     cancellation);
}

/// Proves that the server does as it is told about the activation, which some versions do not know
/// and leave on: with and without it, a reward differs, unless it is beyond what an activation
/// gives. Finds out by the way how the server is asked.
void ServedEngine::check_activation(const Conversation& row,
                                    const CancellationToken& cancellation) {
  if (is_activation_off_) return;
  const std::vector<TokenId> sequence = local_->encoded.of(row);
  const auto require = [&](const HttpAnswer& answer) {
    if (!answer.failure) return;
    throw Error(answer.failure->category(),
                fmt::format("{}: {}", row.place, answer.failure->what()));
  };
  HttpAnswer raw = ask_rewards({sequence}, false, cancellation);
  if (raw.status == 404 && raw.failure) {
    by_pooling_ = true;
    raw = ask_rewards({sequence}, false, cancellation);
  }
  require(raw);
  const HttpAnswer activated = ask_rewards({sequence}, true, cancellation);
  require(activated);
  const auto without = dialect_->read_rewards(raw, {where(row)}, where(row)).front();
  const auto with = dialect_->read_rewards(activated, {where(row)}, where(row)).front();
  const bool may_be_activated =
      std::ranges::all_of(without, [](float value) { return value >= 0 && value <= 1; });
  if (without == with && may_be_activated) {
    throw input_error(
        fmt::format("{}: the server gives the same reward with and without an activation ({:g}), "
                    "so that nothing shows that it is raw; use a newer vLLM, or run the model here",
                    where(), without.front()));
  }
  is_activation_off_ = true;
}

std::vector<std::vector<float>> ServedEngine::rewards(std::span<const Conversation> answered,
                                                      const TokenSink& advance,
                                                      const CancellationToken& cancellation) {
  if (!dialect_->has_rewards()) refuse("compute rewards");
  if (answered.empty()) return {};
  require_same_model(*dialect_, model_, facts_of(client_, cancellation));
  check_activation(answered.front(), cancellation);
  std::vector<std::vector<float>> results(answered.size());
  const auto part = [&](std::size_t number) {
    return answered.subspan(number * kRewardsAtOnce,
                            std::min(kRewardsAtOnce, answered.size() - number * kRewardsAtOnce));
  };
  ServedWork work{.count = (answered.size() + kRewardsAtOnce - 1) / kRewardsAtOnce};
  work.request = [&](std::size_t number) {
    std::vector<std::vector<TokenId>> sequences;
    for (const Conversation& one : part(number)) sequences.push_back(local_->encoded.of(one));
    return dialect_->reward_request(model_, sequences, false, by_pooling_);
  };
  work.place = [&](std::size_t number) { return places_of(part(number)); };
  work.read = [&](std::size_t number, const HttpAnswer& received) -> std::function<void()> {
    std::vector<std::string> places;
    std::size_t tokens = 0;
    for (const Conversation& one : part(number)) {
      places.push_back(where(one));
      tokens += local_->encoded.of(one).size();
    }
    auto values = dialect_->read_rewards(received, places,
                                         fmt::format("{}: {}", places_of(part(number)), where()));
    std::ranges::move(values,
                      results.begin() + static_cast<std::ptrdiff_t>(number * kRewardsAtOnce));
    return [&, tokens] { advance(tokens); };
  };
  WatchedRequests(client_, *dialect_, model_).run(work, cancellation);
  return results;
}

/// An adapter over θ_sft at the scale s is θ_sft + s(θ − θ_sft), which is θ + α(θ − θ_sft) at
/// s = 1 + α.
void ServedEngine::move_to(const AlphaSchedule& alpha, const CancellationToken&) {
  if (spec_.kind != ServerKind::llama_server) refuse("move to another alpha");
  const auto uniform = alpha.uniform();
  if (!uniform)
    throw usage_error(where() + ": llama-server scales an adapter as a whole; give one --alpha");
  if (model_.adapters.size() != 1) {
    throw input_error(fmt::format(
        "{}: the server has {} LoRA adapters, and α is the scale of one, over the SFT model: start "
        "it with -m SFT.gguf --lora ADAPTER.gguf",
        where(), model_.adapters.size()));
  }
  model_.adapters.front()["scale"] = 1 + *uniform;
  alpha_ = alpha;
}

}  // namespace

std::unique_ptr<Engine> open_served_engine(Filesystem& filesystem, const Environment& environment,
                                           const ServedSpec& spec,
                                           const CancellationToken& cancellation) {
  return std::make_unique<ServedEngine>(filesystem, environment, spec, cancellation);
}

}  // namespace expo
