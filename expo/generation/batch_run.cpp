#include "expo/generation/batch_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "expo/core/error.h"
#include "expo/core/parallel.h"
#include "expo/generation/packed_chunks.h"

namespace expo {
namespace {

at::Tensor to_ids(const std::vector<std::int64_t>& ids) {
  return at::tensor(at::ArrayRef<std::int64_t>(ids), at::kLong);
}

}  // namespace

BatchRun::BatchRun(const Job& job)
    : job_(job),
      fixed_shapes_(job.limits.deterministic && !job.decoder.is_batch_invariant()),
      waiting_(job.tasks.size()),
      threads_(job.limits.threads == 0 ? available_threads() : job.limits.threads) {
  check_prompts();
  const std::int64_t slots = choose_slots();
  cache_ = job_.decoder.make_cache(slots, capacity_);
  for (std::int64_t slot = slots; slot-- > 0;) free_slots_.push_back(slot);
  const auto vocabulary = static_cast<std::size_t>(job_.decoder.architecture().vocabulary);
  for (unsigned i = 0; i < threads_; ++i) samplers_.emplace_back(job_.sampling, vocabulary);
  // The longest tasks come first: what starts last is then finished soon. Samples of a prompt stay
  // together.
  std::iota(waiting_.begin(), waiting_.end(), std::size_t{0});
  std::ranges::stable_sort(waiting_, [&](std::size_t a, std::size_t b) {
    const auto key = [&](std::size_t i) {
      const AnswerTask& task = job_.tasks[i];
      return std::pair(job_.prompts[task.prompt].tokens.size() + task.begun.size(), task.prompt);
    };
    return key(a) < key(b);
  });
}

/// The maximum number of tokens of an answer.
std::size_t BatchRun::limit_of(std::size_t prompt) const {
  const auto context = static_cast<std::size_t>(job_.decoder.architecture().max_positions);
  const std::size_t room = context - std::min(context, job_.prompts[prompt].tokens.size());
  return std::min(room, job_.stop.max_tokens.value_or(room));
}

void BatchRun::check_prompts() const {
  for (const AnswerTask& task : job_.tasks) {
    const PromptTokens& prompt = job_.prompts[task.prompt];
    if (prompt.tokens.empty())
      throw input_error(fmt::format("{}: the prompt has no token to begin with", prompt.place));
    if (limit_of(task.prompt) == 0) {
      throw input_error(fmt::format(
          "{}: the prompt has {} tokens, and the model's context holds {}, answer included",
          prompt.place, prompt.tokens.size(), job_.decoder.architecture().max_positions));
    }
  }
}

std::int64_t BatchRun::choose_slots() {
  std::size_t widest = 0;
  const auto consider = [&](std::size_t prompt) {
    const auto tokens =
        static_cast<std::int64_t>(job_.prompts[prompt].tokens.size() + limit_of(prompt));
    if (tokens <= capacity_) return;
    capacity_ = tokens;
    widest = prompt;
  };
  for (const AnswerTask& task : job_.tasks) consider(task.prompt);
  // With fixed shapes every prompt counts, as the shapes must not depend on which ones have tasks
  // left.
  for (std::size_t i = 0; fixed_shapes_ && i < job_.prompts.size(); ++i) consider(i);
  const std::uint64_t slot = job_.decoder.cache_bytes_of_slot(capacity_);
  const std::uint64_t fitting = job_.limits.cache_bytes / slot;
  if (fitting == 0) {
    throw input_error(fmt::format(
        "{}: the prompt's {} tokens and an answer of up to {} take {} MB of cache, but {} MB are "
        "allowed; allow more, or shorter answers",
        job_.prompts[widest].place, job_.prompts[widest].tokens.size(), limit_of(widest),
        (slot + 999'999) / 1'000'000, job_.limits.cache_bytes / 1'000'000));
  }
  // Fixed shapes must not depend on the number of tasks either.
  const std::uint64_t wanted = fixed_shapes_
                                   ? job_.limits.max_sequences
                                   : std::min(job_.limits.max_sequences, job_.tasks.size());
  return static_cast<std::int64_t>(std::min(fitting, wanted));
}

void BatchRun::run(const CancellationToken& cancellation) {
  while (!waiting_.empty() || !rows_.empty()) {
    cancellation.check();
    if (!waiting_.empty() && !free_slots_.empty()) {
      admit(cancellation);
    } else {
      decode();
    }
    retire();
  }
}

/// Prefills as many new samples as there are free slots and as one chunk holds.
void BatchRun::admit(const CancellationToken& cancellation) {
  std::vector<std::unique_ptr<Row>> rows;
  std::size_t tokens = 0;
  while (!waiting_.empty() && !free_slots_.empty()) {
    const AnswerTask& task = job_.tasks[waiting_.back()];
    const std::size_t size = job_.prompts[task.prompt].tokens.size() + task.begun.size();
    const bool shares = !rows.empty() && rows.back()->task.prompt == task.prompt &&
                        rows.back()->task.begun.empty() && task.begun.empty();
    if (!shares && !rows.empty() && (fixed_shapes_ || tokens + size > job_.limits.prefill_tokens))
      break;
    if (!shares) tokens += size;
    waiting_.pop_back();
    rows.push_back(row_of(task));
    rows.back()->slot = free_slots_.back();
    rows.back()->shares = shares;
    free_slots_.pop_back();
  }
  prefill(rows, cancellation);
  for (auto& row : rows) rows_.push_back(std::move(row));
}

/// A row at the point where its answer begins or goes on.
std::unique_ptr<BatchRun::Row> BatchRun::row_of(const AnswerTask& task) const {
  const PromptTokens& prompt = job_.prompts[task.prompt];
  StopOptions stop = job_.stop;
  stop.max_tokens = limit_of(task.prompt);
  auto row = std::make_unique<Row>(Row{.task = task,
                                       .slot = 0,
                                       .output = {},
                                       .counts = TokenCounts(prompt.tokens),
                                       .stop = StopCondition(std::move(stop)),
                                       .finish = {},
                                       .text = {}});
  for (const TokenId token : task.begun) {
    if (append(*row, token)) {
      throw usage_error(
          fmt::format("{}: the answer that is to go on has ended already within its {} tokens",
                      prompt.place, task.begun.size()));
    }
  }
  return row;
}

/// The tokens that a row begins with.
std::vector<TokenId> BatchRun::known_tokens(const Row& row) const {
  std::vector<TokenId> tokens = job_.prompts[row.task.prompt].tokens;
  tokens.insert(tokens.end(), row.output.begin(), row.output.end());
  return tokens;
}

void BatchRun::prefill(std::span<const std::unique_ptr<Row>> rows,
                       const CancellationToken& cancellation) {
  std::vector<Row*> first_of_prompt;
  std::vector<std::vector<TokenId>> known;
  for (const auto& row : rows) {
    if (row->shares) continue;
    first_of_prompt.push_back(row.get());
    known.push_back(known_tokens(*row));
  }
  // A prompt that is longer than a chunk goes through the model alone, piece by piece.
  std::vector<at::Tensor> last_states(first_of_prompt.size());
  const auto limit = static_cast<std::int64_t>(job_.limits.prefill_tokens);
  for (std::int64_t start = 0;; start += limit) {
    cancellation.check();
    std::vector<std::int64_t> ids;
    std::vector<SequencePart> parts;
    for (std::size_t i = 0; i < known.size(); ++i) {
      const auto length = static_cast<std::int64_t>(known[i].size());
      const std::int64_t count = std::min(limit, length - start);
      ids.insert(ids.end(), known[i].begin() + start, known[i].begin() + start + count);
      parts.push_back({first_of_prompt[i]->slot, start, count});
    }
    const at::Tensor hidden = job_.decoder.hidden_states(ids, parts, cache_.get());
    std::int64_t end = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      end += parts[i].count;
      last_states[i] = hidden.narrow(0, end - 1, 1);
      first_of_prompt[i]->cached = start + parts[i].count;
    }
    if (start + limit >= static_cast<std::int64_t>(known.front().size())) break;
  }
  share_prefixes(rows, first_of_prompt, job_.decoder.logits(at::cat(last_states)));
}

/// Copies what the first sample of a prompt computed to its other samples, and draws a token for
/// each.
void BatchRun::share_prefixes(std::span<const std::unique_ptr<Row>> rows,
                              std::span<Row* const> first_of_prompt, const at::Tensor& logits) {
  std::vector<std::int64_t> logits_of;
  std::vector<Row*> all;
  std::int64_t index = -1;
  for (const auto& row : rows) {
    if (!row->shares) ++index;
    if (row->shares) {
      const Row& filled = *first_of_prompt[static_cast<std::size_t>(index)];
      cache_->copy(filled.slot, row->slot, filled.cached);
      row->cached = filled.cached;
    }
    logits_of.push_back(index);
    all.push_back(row.get());
  }
  // Samples of one prompt need a copy each, since penalties are applied in place.
  const bool one_each = all.size() == first_of_prompt.size();
  draw(all, one_each ? logits : logits.index_select(0, to_ids(logits_of).to(logits.device())));
}

void BatchRun::decode() {
  std::vector<std::int64_t> ids;
  std::vector<SequencePart> parts;
  std::vector<Row*> all;
  for (const auto& row : rows_) {
    ids.push_back(row->output.back());
    parts.push_back({row->slot, row->cached++, 1});
    all.push_back(row.get());
  }
  if (fixed_shapes_) {  // idle slots take part, at their first position
    for (const std::int64_t slot : free_slots_) {
      ids.push_back(0);
      parts.push_back({slot, 0, 1});
    }
  }
  draw(all, job_.decoder.logits(job_.decoder.hidden_states(ids, parts, cache_.get())));
}

/// Chooses the next token of `rows`, whose logits are the first rows of `on_device`.
void BatchRun::draw(std::span<Row* const> rows, const at::Tensor& on_device) {
  const at::Tensor logits = on_device.to(at::kCPU);
  const auto vocabulary = static_cast<std::size_t>(logits.size(1));
  const auto stride = static_cast<std::size_t>(logits.stride(0));
  auto* data = logits.mutable_data_ptr<float>();
  parallel_for(rows.size(), std::min<unsigned>(threads_, static_cast<unsigned>(rows.size())),
               [&](std::size_t index, unsigned worker) {
                 take(*rows[index], {data + index * stride, vocabulary}, samplers_[worker]);
               });
  if (job_.advance) job_.advance(rows.size());
}

void BatchRun::take(Row& row, std::span<float> logits, Sampler& sampler) const {
  const PromptTokens& prompt = job_.prompts[row.task.prompt];
  const DrawKey key{prompt.draw_id, row.task.sample, static_cast<std::uint32_t>(row.output.size())};
  const Draw draw = sampler.draw(logits, row.counts, key);
  row.log_probability += draw.log_probability;
  row.finish = append(row, draw.token);
}

/// Takes the next token of a row's output, and returns how it ends the output, if it does.
std::optional<Finish> BatchRun::append(Row& row, TokenId token) const {
  row.output.push_back(token);
  row.counts.add_output(token);
  if (!job_.stop.strings.empty())
    row.text = job_.tokenizer.decode(row.output, SpecialTokens::keep_out);
  return row.stop.feed(token, row.text);
}

void BatchRun::retire() {
  for (const auto& row : rows_) {
    if (!row->finish) continue;
    emit(*row);
    free_slots_.push_back(row->slot);
  }
  std::erase_if(rows_, [](const auto& row) { return row->finish.has_value(); });
}

void BatchRun::emit(Row& row) const {
  const Finish& finish = *row.finish;
  if (job_.stop.strings.empty()) {
    const std::size_t kept = row.output.size() - (finish.token ? 1 : 0);
    row.text = job_.tokenizer.decode(std::span(row.output).first(kept), SpecialTokens::keep_out);
  } else {
    row.text.resize(finish.text_size);
  }
  job_.sink(
      {row.task, std::move(row.output), std::move(row.text), finish.reason, row.log_probability});
}

}  // namespace expo
