#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "expo/generation/batch_generator.h"

namespace expo {

/// One call of BatchGenerator::run; private to this room.
class BatchRun {
 public:
  /// The arguments of BatchGenerator::run and its generator.
  struct Job {
    Decoder& decoder;
    const Tokenizer& tokenizer;
    const BatchLimits& limits;
    std::span<const PromptTokens> prompts;
    std::span<const AnswerTask> tasks;
    const SamplingOptions& sampling;
    const StopOptions& stop;
    const BatchGenerator::Sink& sink;
    const std::function<void(std::size_t)>& advance;
  };

  explicit BatchRun(const Job& job);
  void run(const CancellationToken& cancellation);

 private:
  /// A sample that is being generated.
  struct Row {
    AnswerTask task;
    std::int64_t slot;
    bool shares = false;      ///< the keys and values of its prompt with the row before it
    std::int64_t cached = 0;  ///< tokens whose keys and values the cache holds
    std::vector<TokenId> output;
    TokenCounts counts;
    StopCondition stop;
    double log_probability = 0;
    std::optional<Finish> finish;
    std::string text;  ///< text of the output, in which stop strings are searched
  };

  std::size_t limit_of(std::size_t prompt) const;
  void check_prompts() const;
  std::int64_t choose_slots();
  void admit(const CancellationToken& cancellation);
  std::unique_ptr<Row> row_of(const AnswerTask& task) const;
  std::vector<TokenId> known_tokens(const Row& row) const;
  void prefill(std::span<const std::unique_ptr<Row>> rows, const CancellationToken& cancellation);
  void share_prefixes(std::span<const std::unique_ptr<Row>> rows,
                      std::span<Row* const> first_of_prompt, const at::Tensor& logits);
  void decode();
  void draw(std::span<Row* const> rows, const at::Tensor& on_device);
  void take(Row& row, std::span<float> logits, Sampler& sampler) const;
  std::optional<Finish> append(Row& row, TokenId token) const;
  void retire();
  void emit(Row& row) const;

  Job job_;
  bool fixed_shapes_;  ///< as determinism requires if the decoder is not batch-invariant
  std::vector<std::size_t> waiting_;  ///< indices of tasks, the next one last
  std::int64_t capacity_ = 0;
  std::vector<std::int64_t> free_slots_;
  std::unique_ptr<KvCache> cache_;
  std::vector<std::unique_ptr<Row>> rows_;
  std::vector<Sampler> samplers_;  ///< one for each thread
  unsigned threads_;
};

}  // namespace expo
