#include "expo/served/engine/served_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/core/error.h"
#include "expo/http/server_words.h"
#include "expo/served/dialect.h"
#include "expo/served/engine/local_tokens.h"
#include "expo/served/engine/server_pool.h"
#include "expo/served/model_check.h"
#include "expo/served/openai_dialect.h"
#include "expo/served/request_seed.h"
#include "expo/served/served_client.h"
#include "expo/served/served_models.h"
#include "expo/served/watched_requests.h"
#include "expo/served/weights/moved_pair.h"

namespace expo {
namespace {

using Clock = std::chrono::steady_clock;

/// How many sequences a request for rewards holds.
constexpr std::size_t kRewardsAtOnce = 4;

/// How often all requests that are in flight at the same time are replaced before the weights of a
/// server that expo moves are looked at.
constexpr std::size_t kBatchesInFlight = 4;

/// What engines are made of.
struct EngineParts {
  Filesystem& filesystem;
  const Environment& environment;
  const EmbeddedOpener& open_embedded;
  std::shared_ptr<StagedWeights>& staged;  ///< of all servers of a policy
};

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
  ServedEngine(const EngineParts& parts, const ServedSpec& spec,
               const CancellationToken& cancellation)
      : spec_(spec),
        dialect_(make_dialect(spec)),
        client_(ServerAddress(spec.url, "MODEL"),
                ApiKey::from_environment(spec.key_variable, spec.key_option()), http_options(spec)),
        model_(find_served_model(facts_of(client_, cancellation), spec.model)) {
    dialect_->learn(facts_of(client_, cancellation), model_);
    if (spec_.pair) take_pair(parts, cancellation);
    if (makes_tokens()) open_tokens(parts.filesystem, parts.environment);
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
    if (pair_) pair_->describe(result);
    return result;
  }

  std::vector<std::filesystem::path> sources() const override {
    return pair_ ? pair_->sources() : std::vector<std::filesystem::path>();
  }

  Json digests(const CancellationToken& cancellation) const override {
    return pair_ ? pair_->digests(cancellation) : Json::array();
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
  std::vector<std::string> incidents() const override {
    return pair_ ? pair_->incidents() : std::vector<std::string>();
  }
  bool has_log_probs() const override { return dialect_->has_log_probs() && local_ != nullptr; }
  std::vector<std::vector<float>> log_probs(std::span<const Conversation> answered,
                                            const TokenSink& advance,
                                            const CancellationToken& cancellation) override;
  void move_to(const AlphaSchedule& alpha, const CancellationToken& cancellation) override;
  void let_go() override {
    if (pair_) pair_->let_go();
  }

 private:
  /// Whether expo, not the server, makes tokens of conversations.
  bool makes_tokens() const { return spec_.kind != ServerKind::openai || !spec_.tokenizer.empty(); }
  void take_pair(const EngineParts& parts, const CancellationToken& cancellation);
  void open_tokens(Filesystem& filesystem, const Environment& environment);
  std::string own_root() const;
  std::size_t send(const ServedWork& work, const CancellationToken& cancellation);
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
  std::unique_ptr<MovedPair> pair_;
  std::optional<AlphaSchedule> alpha_;
  bool by_pooling_ = false;         ///< the server has no /classify
  bool is_activation_off_ = false;  ///< checked
};

/// Where the server says that it has read its model.
std::string ServedEngine::own_root() const {
  std::string root = model_.root.empty() ? model_.id : model_.root;
  if (spec_.kind == ServerKind::vllm && is_relative(root)) {
    throw input_error(
        fmt::format("{}: the server has read its model from {}, which is relative to a folder that "
                    "it does not tell; start it with the whole path, or name the checkpoint with "
                    "its tokenizer and chat template by {}",
                    where(), cut_words(root), spec_.tokenizer_option()));
  }
  return root;
}

void ServedEngine::take_pair(const EngineParts& parts, const CancellationToken& cancellation) {
  if (spec_.pair->aligned.empty()) spec_.pair->aligned = own_root();
  pair_ = std::make_unique<MovedPair>(parts.filesystem, parts.environment,
                                      PolicyServer{spec_, client_, *dialect_, model_}, parts.staged,
                                      parts.open_embedded, cancellation);
}

void ServedEngine::open_tokens(Filesystem& filesystem, const Environment& environment) {
  if (pair_ && spec_.tokenizer.empty()) {
    local_ = std::make_unique<LocalTokens>(filesystem, pair_->aligned(), spec_);
    return;
  }
  const std::string reference = spec_.tokenizer.empty() ? own_root() : spec_.tokenizer;
  try {
    const auto checkpoint = open_checkpoint(filesystem, reference, {}, environment);
    local_ = std::make_unique<LocalTokens>(filesystem, *checkpoint, spec_);
  } catch (const Error& error) {
    if (!spec_.tokenizer.empty()) throw;
    throw Error(error.category(),
                fmt::format("{}; the server's model is read here for its tokenizer and chat "
                            "template only: {} names where they are",
                            error.what(), spec_.tokenizer_option()));
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
  if (pair_) pair_->identify(result);
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

/// Returns the most requests that were in flight at the same time.
std::size_t ServedEngine::send(const ServedWork& work, const CancellationToken& cancellation) {
  std::size_t most = 0;
  const auto send_once = [&](const ServedWork& part, const CancellationToken& token) {
    WatchedRequests requests(client_, *dialect_, model_);
    requests.run(part, token);
    most = std::max(most, requests.most_in_flight());
  };
  if (pair_) {
    pair_->run(work, send_once, kBatchesInFlight * spec_.max_requests, cancellation);
  } else {
    send_once(work, cancellation);
  }
  return most;
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
  statistics.peak_batch = send(work, cancellation);
  statistics.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return statistics;
}

std::vector<std::vector<float>> ServedEngine::log_probs(std::span<const Conversation> answered,
                                                        const TokenSink& advance,
                                                        const CancellationToken& cancellation) {
  if (!dialect_->has_log_probs()) refuse("compute log-probabilities of answers");
  if (!local_) {
    throw usage_error(
        fmt::format("{}: log-probabilities of an answer need the model's tokenizer, to know where "
                    "the answer begins; name its checkpoint by {}",
                    where(), spec_.tokenizer_option()));
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
  send(work, cancellation);
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
  send(work, cancellation);
  return results;
}

/// An adapter over θ_sft at the scale s is θ_sft + s(θ − θ_sft), which is θ + α(θ − θ_sft) at
/// s = 1 + α.
void ServedEngine::move_to(const AlphaSchedule& alpha, const CancellationToken& cancellation) {
  if (pair_) {
    pair_->move_to(alpha, cancellation);
    alpha_ = alpha;
    return;
  }
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

/// All servers of a spec, without those that cannot be reached.
std::unique_ptr<Engine> open_pool(const EngineParts& parts, const ServedSpec& spec,
                                  const CancellationToken& cancellation) {
  std::vector<PooledServer> servers;
  std::vector<std::string> lost;
  std::optional<Error> failure;
  const auto shared = spec.shared ? spec.shared : std::make_shared<SharedServers>();
  for (const std::string& url : shared->to_ask(all_urls(spec))) {
    ServedSpec one = spec;
    one.url = url;
    try {
      servers.push_back({url, std::make_unique<ServedEngine>(parts, one, cancellation)});
    } catch (const Error& error) {
      if (error.category() != ErrorCategory::environment) throw;
      lost.push_back(fmt::format("{}: this server is left out: {}", url, error.what()));
      shared->left_out.insert(url);
      failure = error;
    }
  }
  if (servers.empty()) throw *failure;
  return pool_servers(std::move(servers), std::move(lost), kBatchesInFlight * spec.max_requests,
                      shared);
}

}  // namespace

std::unique_ptr<Engine> open_served_engine(Filesystem& filesystem, const Environment& environment,
                                           const ServedSpec& spec,
                                           const CancellationToken& cancellation,
                                           const EmbeddedOpener& open_embedded) {
  std::shared_ptr<StagedWeights> staged;
  const EngineParts parts{filesystem, environment, open_embedded, staged};
  if (spec.further_urls.empty()) return std::make_unique<ServedEngine>(parts, spec, cancellation);
  return open_pool(parts, spec, cancellation);
}

}  // namespace expo
