// generation_speed MODEL_FOLDER [options] answers prompts in batches of each given size, all of one
// length and with answers of one length. It prints a line of JSON for each batch size: how long
// prefill, decoding and sampling took together, and the bytes of the weights and the cache. With
// --score it reads the prompts only, for the log-probabilities of their second halves.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <exception>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "expo/generation/batch_generator.h"
#include "expo/generation/sequence_scores.h"
#include "expo/model/decoder.h"
#include "expo/model/live/live_weights.h"
#include "speed_measures.h"

namespace {

using expo::DType;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kSeed = 20240418;

struct Request {
  std::string folder;
  std::vector<std::size_t> batch_sizes = {1, 16, 64};
  std::size_t prompt_tokens = 40;
  std::size_t new_tokens = 96;
  DType dtype = DType::bf16;
  bool paper_sampling = false;
  bool deterministic = false;
  bool score = false;
  unsigned threads = std::max(1U, std::thread::hardware_concurrency());
};

/// Everything that is needed to answer prompts from a folder.
struct Model {
  explicit Model(const Request& request)
      : checkpoint(expo::open_model(request.folder)),
        architecture(expo::read_architecture(checkpoint->config(), checkpoint->location())),
        weights(architecture, checkpoint, nullptr,
                {.dtype = request.dtype, .threads = request.threads}, cancellation),
        decoder(weights.make_decoder()),
        tokenizer(read_tokenizer(std::filesystem::path(request.folder) / "tokenizer.json")) {}

  static expo::Tokenizer read_tokenizer(const std::filesystem::path& path) {
    return expo::Tokenizer::from_json(expo::posix_filesystem().read_text(path), path.string());
  }

  expo::CancellationToken cancellation;
  std::shared_ptr<const expo::Checkpoint> checkpoint;
  expo::Architecture architecture;
  expo::LiveWeights weights;
  std::unique_ptr<expo::Decoder> decoder;
  expo::Tokenizer tokenizer;
};

expo::SamplingOptions sampling_of(const Request& request) {
  if (!request.paper_sampling) return {};
  return {.temperature = 0.7,
          .top_k = 40,
          .top_p = 0.9,
          .presence_penalty = 0.1,
          .frequency_penalty = 0.1,
          .seed = kSeed};
}

/// Makes prompts of random ids, different in each prompt.
std::vector<expo::PromptTokens> make_prompts(const Model& model, std::size_t count,
                                             std::size_t tokens) {
  std::mt19937_64 random(kSeed);
  std::uniform_int_distribution<expo::TokenId> ids(
      0, static_cast<expo::TokenId>(model.architecture.vocabulary - 1));
  std::vector<expo::PromptTokens> prompts;
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<expo::TokenId> prompt(tokens);
    std::ranges::generate(prompt, [&] { return ids(random); });
    prompts.push_back({std::move(prompt), i, "prompt " + std::to_string(i + 1)});
  }
  return prompts;
}

/// Answers `batch` prompts at once and returns the number of tokens that were made. No token stops
/// an answer.
std::size_t answer(Model& model, const Request& request, std::size_t batch,
                   std::size_t new_tokens) {
  const auto prompts = make_prompts(model, batch, request.prompt_tokens);
  std::vector<expo::AnswerTask> tasks;
  for (std::size_t i = 0; i < batch; ++i) tasks.push_back({i, 0});
  const expo::BatchLimits limits = {
      .max_sequences = batch, .deterministic = request.deterministic, .threads = request.threads};
  expo::BatchGenerator generator(*model.decoder, model.tokenizer, limits);
  std::size_t made = 0;
  generator.run(
      prompts, tasks, sampling_of(request), {.max_tokens = new_tokens},
      [&](const expo::GeneratedAnswer& done) { made += done.tokens.size(); }, {},
      model.cancellation);
  return made;
}

/// Scores `batch` prompts, half of which count as the answer. Returns the tokens that an answer to
/// each would have begun with, so that both kinds of work can be compared.
std::size_t score(Model& model, const Request& request, std::size_t batch) {
  std::vector<expo::AnsweredPrompt> answered;
  for (auto& prompt : make_prompts(model, batch, request.prompt_tokens))
    answered.push_back({std::move(prompt.tokens), request.prompt_tokens / 2});
  return answer_log_probs(*model.decoder, answered, {}, model.cancellation).size();
}

/// The work that is measured.
std::size_t work(Model& model, const Request& request, std::size_t batch, std::size_t new_tokens) {
  return request.score ? score(model, request, batch) : answer(model, request, batch, new_tokens);
}

std::uint64_t cache_bytes(const Model& model, const Request& request, std::size_t batch) {
  const auto capacity = static_cast<std::int64_t>(request.prompt_tokens + request.new_tokens);
  return batch * model.decoder->cache_bytes_of_slot(capacity);
}

void run(const Request& request) {
  const auto start = Clock::now();
  Model model(request);
  const double load_seconds = expo::seconds_since(start);
  for (const std::size_t batch : request.batch_sizes) {
    work(model, request, batch, 2);  // one-time initialisation happens here
    const auto begin = Clock::now();
    const std::size_t new_tokens = work(model, request, batch, request.new_tokens);
    const double seconds = expo::seconds_since(begin);
    const expo::Json line = {{"batch", batch},
                             {"prompt_tokens", request.prompt_tokens},
                             {"new_tokens", new_tokens},
                             {"seconds", seconds},
                             {"tokens_per_second", static_cast<double>(new_tokens) / seconds},
                             {"load_seconds", load_seconds},
                             {"weight_bytes", expo::weight_bytes(model.weights.store())},
                             {"cache_bytes", cache_bytes(model, request, batch)}};
    std::cout << line.dump() << std::endl;
  }
}

Request parse(CLI::App& program, int argc, char** argv) {
  Request request;
  program.add_option("model", request.folder, "Folder with weights and tokenizer.json")->required();
  program.add_option("--batch", request.batch_sizes, "Prompts at once")->delimiter(',');
  program.add_option("--prompt-tokens", request.prompt_tokens, "Tokens of a prompt");
  program.add_option("--new-tokens", request.new_tokens, "Tokens of an answer");
  program.add_option("--dtype", request.dtype, "bf16 or f32")
      ->transform(CLI::Transformer(
          std::map<std::string, DType>{{"bf16", DType::bf16}, {"f32", DType::f32}}));
  program.add_flag("--paper-sampling", request.paper_sampling,
                   "temperature 0.7, top-k 40, top-p 0.9, presence and frequency penalty 0.1; "
                   "without it greedy");
  program.add_flag("--deterministic", request.deterministic, "Batches of fixed shapes");
  program.add_flag("--score", request.score, "Read the prompts for log-probabilities");
  program.add_option("--threads", request.threads, "Threads");
  program.parse(argc, argv);
  return request;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App program("Measures the speed of generation");
  try {
    run(parse(program, argc, argv));
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    std::cerr << "generation_speed: " << error.what() << "\n";
    return 3;
  }
  return 0;
}
