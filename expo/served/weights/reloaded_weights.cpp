#include "expo/served/weights/reloaded_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <thread>

#include "expo/core/error.h"
#include "expo/http/server_words.h"

namespace expo {
namespace {

/// Below this, in nats a token, nothing counts as a difference: numbers go through JSON.
constexpr double kSmallest = 1e-6;

/// Between two tries of a request that could not be done at the moment.
constexpr std::chrono::milliseconds kFirstWait{10};
constexpr std::chrono::milliseconds kLongestWait{2'000};

}  // namespace

void ReloadedWeights::move_to(const AlphaSchedule& alpha, const CancellationToken& cancellation) {
  if (alpha_ && alpha_->description() == alpha.description() && are_there(cancellation)) return;
  StagedCheckpoint target = parts_.staged.at(alpha, cancellation);
  // Whatever the server has now: since the last look, it may have been started again.
  const std::vector<float> before = parts_.probe.ask(cancellation);
  const std::vector<float>& now = load(target, cancellation);
  const bool needs_head = !has_proven_head_ && !target.tied_head.empty();
  if (!has_come_back_ || needs_head || !differ(now, before)) {
    const StagedCheckpoint contrast = take_contrast(target, cancellation);
    if (needs_head) prove_head(contrast, cancellation);
    target = parts_.staged.at(alpha, cancellation);
    load(target, cancellation);
    has_come_back_ = true;
  }
  compare_with_embedded(alpha, now, cancellation);
  alpha_ = alpha;
  checkpoint_ = target;
}

/// Goes to other weights, which must show.
StagedCheckpoint ReloadedWeights::take_contrast(const StagedCheckpoint& target,
                                                const CancellationToken& cancellation) {
  const StagedCheckpoint contrast = contrast_of(target, cancellation);
  const std::vector<float>& other = load(contrast, cancellation);
  const std::vector<float>& own = seen_.at(target.digest);
  if (differ(other, own)) return contrast;
  throw input_error(fmt::format(
      "{}: the server says that it has read new weights ({}), but the log-probabilities of {} "
      "tokens at α = {} are those at α = {}: they differ by {:.2g} a token, and by {:.2g} when "
      "they are asked twice; it does not do as it says",
      where(), words_, parts_.probe.size(), contrast.alpha, target.alpha, mean_distance(other, own),
      noise_));
}

/// Goes from weights to those that differ from them in the head only, which must show. A server may
/// read all but a head that is its embedding, which it keeps in two places.
void ReloadedWeights::prove_head(const StagedCheckpoint& now,
                                 const CancellationToken& cancellation) {
  const StagedCheckpoint changed =
      parts_.staged.with_other_head(now, parts_.probe.tokens(), cancellation);
  try {
    load(changed, cancellation);
  } catch (const Error&) {
    put_back(now);
    throw;
  }
  const std::vector<float>& other = seen_.at(changed.digest);
  const std::vector<float>& own = seen_.at(now.digest);
  has_proven_head_ = differ(other, own);
  if (has_proven_head_) return;
  const std::string message = fmt::format(
      "{}: the server says that it has read another head ({}), which is the model's embedding, but "
      "the log-probabilities of {} tokens stay as they were: they differ by {:.2g} a token, and by "
      "{:.2g} when they are asked twice; it goes on with the head that it began with, as vLLM on "
      "CPUs does, and would answer by weights of no α; give both checkpoints a head of their own "
      "(a "
      "copy of \"{}\" as \"lm_head.weight\", and tie_word_embeddings false), or use another server",
      where(), words_, parts_.probe.size(), mean_distance(other, own), noise_,
      now.tied_head.front());
  put_back(now);
  throw input_error(message);
}

/// Tries to leave the server without changed rows, by which nobody is to be answered.
void ReloadedWeights::put_back(const StagedCheckpoint& now) {
  const CancellationToken fresh;  // after an interruption too
  try {
    load(now, fresh);
  } catch (const Error&) {  // What went wrong before is what the user is to know.
  }
}

/// Weights whose bytes are others than the target's: of α = 0, or else of α = −1.
StagedCheckpoint ReloadedWeights::contrast_of(const StagedCheckpoint& target,
                                              const CancellationToken& cancellation) {
  for (const double alpha : {0.0, -1.0}) {
    StagedCheckpoint contrast = parts_.staged.at(AlphaSchedule(alpha), cancellation);
    if (contrast.digest != target.digest) return contrast;
  }
  throw input_error(fmt::format(
      "{}: SFT and ALIGNED are the same in the server's type, {}, so that nothing would show "
      "whether it has read new weights; is this the pair that you mean?",
      where(), torch_name(parts_.staged.dtype())));
}

/// Has the server read a checkpoint, and asks the probe. Throws if these bytes answer otherwise
/// than they did before.
const std::vector<float>& ReloadedWeights::load(const StagedCheckpoint& checkpoint,
                                                const CancellationToken& cancellation) {
  words_.clear();
  for (const HttpRequest& request : parts_.dialect.reload_requests(server_place(checkpoint))) {
    const HttpAnswer answer = ask_until_done(request, cancellation);
    if (answer.failure) fail(answer, checkpoint);
    words_ += (words_.empty() ? "" : ", ") + cut_words(compact_json(answer.json));
  }
  const std::vector<float> first = parts_.probe.ask(cancellation);
  const std::vector<float> second = parts_.probe.ask(cancellation);
  noise_ = std::max(noise_, mean_distance(first, second));
  const auto [known, is_new] = seen_.emplace(checkpoint.digest, first);
  if (!is_new && differ(first, known->second)) {
    throw input_error(fmt::format(
        "{}: the server says that it has read the weights of α = {} again ({}), but the "
        "log-probabilities of {} tokens are not those that it had with them before: they differ by "
        "{:.2g} a token, and by {:.2g} when they are asked twice; start it anew",
        where(), checkpoint.alpha, words_, parts_.probe.size(), mean_distance(first, known->second),
        noise_));
  }
  return known->second;
}

/// A server that has something else to do for the moment says {"success": false}, as vLLM does
/// where it cannot forget cached prefixes yet.
HttpAnswer ReloadedWeights::ask_until_done(const HttpRequest& request,
                                           const CancellationToken& cancellation) {
  for (auto wait = kFirstWait;; wait *= 2) {
    HttpAnswer answer = parts_.reloads.ask(request, cancellation);
    const Json& said = answer.json;
    const auto success = said.is_object() ? said.find("success") : said.end();
    if (answer.failure || !said.is_object() || success == said.end() || *success != false)
      return answer;
    if (wait > kLongestWait) {
      throw environment_error(fmt::format(
          "{}: the server answered {} again and again, so that what it keeps of its old weights "
          "might answer for new ones; does it have other work?",
          parts_.reloads.address().url(request.path), cut_words(compact_json(said))));
    }
    cancellation.check();
    std::this_thread::sleep_for(wait);
  }
}

void ReloadedWeights::fail(const HttpAnswer& answer, const StagedCheckpoint& checkpoint) const {
  const Error& failure = *answer.failure;
  if (answer.status == 404) {
    throw usage_error(fmt::format("{}; α needs a vLLM that was started with VLLM_SERVER_DEV_MODE=1",
                                  failure.what()));
  }
  throw Error(failure.category(),
              fmt::format("{}; it was to read {}: where its paths are others than those here, "
                          "--server-path CLIENT=SERVER says so",
                          failure.what(), server_place(checkpoint)));
}

void ReloadedWeights::compare_with_embedded(const AlphaSchedule& alpha,
                                            const std::vector<float>& served,
                                            const CancellationToken& cancellation) {
  if (!parts_.embedded) return;
  Engine& embedded = parts_.embedded();
  embedded.move_to(alpha, cancellation);
  std::vector<float> own;
  for (const auto& of_text : embedded.log_probs(
           parts_.probe.conversations(), [](std::uint64_t) {}, cancellation))
    std::ranges::copy(of_text, std::back_inserter(own));
  const double bound = parts_.staged.dtype() == DType::f32 ? 1e-3 : 5e-2;
  const double distance = mean_distance(served, own);
  if (distance <= bound) return;
  throw input_error(fmt::format(
      "{}: at α = {} the log-probabilities of {} tokens are on average {:.2g} away from those of "
      "the same weights here, more than {:g}, which the arithmetic in {} explains; has the server "
      "another model, another type, or quantised weights?",
      where(), alpha.description(), parts_.probe.size(), distance, bound,
      torch_name(parts_.staged.dtype())));
}

bool ReloadedWeights::are_there(const CancellationToken& cancellation) {
  const std::vector<float>& known = seen_.at(checkpoint().digest);
  // What is out of the ordinary once is asked again.
  return !differ(parts_.probe.ask(cancellation), known) ||
         !differ(parts_.probe.ask(cancellation), known);
}

bool ReloadedWeights::differ(const std::vector<float>& left,
                             const std::vector<float>& right) const {
  return mean_distance(left, right) > limit();
}

double ReloadedWeights::limit() const {
  return 2 * noise_ + kSmallest;
}

std::string ReloadedWeights::server_place(const StagedCheckpoint& checkpoint) const {
  const std::string here = checkpoint.folder.string();
  if (parts_.client_path.empty()) return here;
  return parts_.server_path + here.substr(parts_.client_path.size());
}

}  // namespace expo
