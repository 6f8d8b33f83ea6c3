#include "expo/training/data/example_reading.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <exception>
#include <map>

#include "expo/core/disk/spilling_memory.h"
#include "expo/core/error.h"
#include "expo/core/parallel.h"
#include "expo/core/text.h"
#include "expo/text/embedding_bounds.h"
#include "expo/training/data/byte_digest.h"
#include "expo/training/data/row_order.h"

namespace expo {
namespace {

constexpr std::size_t kNamedRows = 3;     // that a warning names
constexpr std::size_t kRowsAtOnce = 512;  // that are held as JSON

/// Rows of one kind; a warning names the first of them.
struct Noted {
  std::int64_t count = 0;
  std::vector<std::string> places;

  void add(const std::string& place) {
    ++count;
    if (places.size() < kNamedRows) places.push_back(place);
  }
  void warn(const char* what, std::vector<std::string>& warnings) const {
    if (count == 0) return;
    warnings.push_back(fmt::format("{} row{} {} ({}{})", count, count == 1 ? "" : "s", what,
                                   fmt::join(places, ", "),
                                   count > static_cast<std::int64_t>(places.size()) ? ", …" : ""));
  }
};

struct Row {
  Json json;
  std::string place;
};

/// An example, or why its row is refused.
struct Outcome {
  ReadExample read;
  std::exception_ptr failure;
};

class Reading {
 public:
  Reading(const Tokenizer& tokenizer, const ExampleOptions& options, const MakeExample& make,
          const CancellationToken& cancellation)
      : tokenizer_(tokenizer),
        options_(options),
        make_(make),
        cancellation_(cancellation),
        threads_(options.threads != 0 ? options.threads : available_threads()) {}

  ExampleSet run(const RowSource& source) {
    const std::vector<std::int64_t> chosen = choose(source);
    const auto rows = source();
    std::vector<Row> batch;
    std::size_t next = 0;
    Json json;
    for (std::int64_t number = 0; rows->next(json); ++number) {
      cancellation_.check();
      ++set_.counts.rows;
      if (options_.fraction < 1) {
        if (next >= chosen.size() || chosen[next] != number) continue;
        ++next;
      }
      ++set_.counts.chosen_rows;
      batch.push_back({std::move(json), rows->place()});
      if (batch.size() == kRowsAtOnce) add(batch);
    }
    add(batch);
    set_.warnings = row_warnings(*rows);
    return finish();
  }

 private:
  std::vector<std::int64_t> choose(const RowSource& source) const {
    if (options_.fraction >= 1) return {};
    const auto rows = source();
    Json row;
    std::int64_t count = 0;
    for (; rows->next(row); ++count) cancellation_.check();
    if (count == 0) return {};
    return rows_of_fraction(count, options_.fraction, options_.seed);
  }

  void add(std::vector<Row>& batch) {
    std::vector<Outcome> outcomes(batch.size());
    parallel_for(batch.size(), threads_, [&](std::size_t i, unsigned) {
      cancellation_.check();
      outcomes[i] = outcome_of(batch[i]);
    });
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (outcomes[i].failure) std::rethrow_exception(outcomes[i].failure);
      take(std::move(outcomes[i].read), batch[i].place);
    }
    batch.clear();
  }

  Outcome outcome_of(const Row& row) const {
    try {
      ReadExample read = make_(row.json, row.place);
      check(read.rows, row.place);
      return {std::move(read), nullptr};
    } catch (const Error& error) {
      return {{}, with_place(error, row.place)};
    } catch (...) {
      return {{}, std::current_exception()};
    }
  }

  /// The row's place is added to errors of the tokenizer and its template, which do not know it.
  static std::exception_ptr with_place(const Error& error, const std::string& place) {
    const std::string what = error.what();
    return std::make_exception_ptr(
        what.starts_with(place) ? error : Error(error.category(), place + ": " + what));
  }

  void check(const std::vector<ReadRow>& rows, const std::string& place) const {
    for (const ReadRow& row : rows) {
      if (row.ids.empty()) throw input_error(place + ": the chat template makes no text of it");
      if (options_.vocabulary != 0)
        check_within_embedding(row.ids, tokenizer_, options_.vocabulary, place);
    }
  }

  void take(ReadExample read, const std::string& place) {
    if (read.prompt_cut) prompts_cut_.add(place);
    if (read.answer_cut) answers_cut_.add(place);
    for (const std::string& key : read.unwritten) unwritten_[key].add(place);
    if (!read.unwritten.empty()) ++set_.counts.unwritten;
    switch (read.omission) {
      case ReadExample::Omission::same_answers:
        return same_.add(place);
      case ReadExample::Omission::too_long:
        return too_long_.add(place);
      case ReadExample::Omission::without_answer:
        return without_answer_.add(place);
      case ReadExample::Omission::none:
        keep(read.rows, place);
    }
  }

  void keep(const std::vector<ReadRow>& rows, const std::string& place) {
    Example& example = set_.examples.emplace_back();
    example.place = place;
    for (const ReadRow& row : rows) {
      set_.counts.tokens += static_cast<std::int64_t>(row.ids.size());
      set_.counts.counted_tokens += std::ranges::count(row.counts, true);
      example.rows.push_back(stored(row));
      digest(example.rows.back());
    }
  }

  TokenRow stored(const ReadRow& row) {
    const std::size_t bytes = row.ids.size() * sizeof(TokenId);
    std::byte* memory = store_->allocate(bytes + row.counts.size()).data();
    auto* ids = reinterpret_cast<TokenId*>(memory);
    auto* counts = reinterpret_cast<bool*>(memory + bytes);
    std::ranges::copy(row.ids, ids);
    std::ranges::copy(row.counts, counts);
    return {{ids, row.ids.size()}, {counts, row.counts.size()}, store_};
  }

  void digest(const TokenRow& row) {
    const std::uint64_t size = row.ids.size();
    digest_.add(&size, sizeof size);
    digest_.add(row.ids.data(), size * sizeof(TokenId));
    digest_.add(row.counts.data(), size);
  }

  ExampleSet finish() {
    ExampleCounts& counts = set_.counts;
    counts.examples = static_cast<std::int64_t>(set_.examples.size());
    counts.prompts_cut = prompts_cut_.count;
    counts.answers_cut = answers_cut_.count;
    counts.same_answers = same_.count;
    counts.too_long = too_long_.count;
    counts.without_answer = without_answer_.count;
    prompts_cut_.warn("had the prompt cut from the left to max_prompt_length", set_.warnings);
    answers_cut_.warn("were cut from the right to max_length", set_.warnings);
    same_.warn("left out: chosen and rejected are the same", set_.warnings);
    too_long_.warn("left out: longer than max_length", set_.warnings);
    without_answer_.warn("left out: cut before an assistant's token", set_.warnings);
    for (const auto& [key, rows] : unwritten_)
      rows.warn(("have " + key + " that the chat template does not write").c_str(), set_.warnings);
    if (set_.examples.empty()) {
      throw input_error(fmt::format("{}: has {}, and none is left to train on{}{}", options_.name,
                                    counted(counts.rows, "row"), set_.warnings.empty() ? "" : ": ",
                                    fmt::join(set_.warnings, "; ")));
    }
    set_.digest = digest_.text();
    return std::move(set_);
  }

  const Tokenizer& tokenizer_;
  const ExampleOptions& options_;
  const MakeExample& make_;
  const CancellationToken& cancellation_;
  unsigned threads_;
  std::shared_ptr<SpillingMemory> store_ = std::make_shared<SpillingMemory>();
  ByteDigest digest_;
  ExampleSet set_;
  Noted prompts_cut_, answers_cut_, same_, too_long_, without_answer_;
  std::map<std::string, Noted> unwritten_;  ///< by the key
};

}  // namespace

ExampleSet read_examples(const RowSource& source, const Tokenizer& tokenizer,
                         const ExampleOptions& options, const MakeExample& make,
                         const CancellationToken& cancellation) {
  return Reading(tokenizer, options, make, cancellation).run(source);
}

}  // namespace expo
