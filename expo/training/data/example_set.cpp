#include "expo/training/data/example_set.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/text/embedding_bounds.h"
#include "expo/text/preferences.h"
#include "expo/training/data/byte_digest.h"
#include "expo/training/data/row_order.h"

namespace expo {
namespace {

using Ids = std::vector<TokenId>;
constexpr std::size_t kNamedRows = 3;  // that a warning names

std::size_t common_prefix(const Ids& a, const Ids& b) {
  const auto [end, _] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<std::size_t>(end - a.begin());
}

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

class Reading {
 public:
  Reading(const ChatTokenizer& tokenizer, const ExampleOptions& options)
      : tokenizer_(tokenizer), options_(options) {}
  virtual ~Reading() = default;

  ExampleSet run(const RowSource& source, const CancellationToken& cancellation) {
    const std::vector<std::int64_t> chosen = choose(source, cancellation);
    const auto rows = source();
    Json row;
    std::size_t next = 0;
    for (std::int64_t number = 0; rows->next(row); ++number) {
      cancellation.check();
      ++set_.counts.rows;
      if (options_.fraction < 1) {
        if (next >= chosen.size() || chosen[next] != number) continue;
        ++next;
      }
      ++set_.counts.chosen_rows;
      add_at(row, rows->place());
    }
    set_.warnings = row_warnings(*rows);
    return finish();
  }

 protected:
  virtual void add(const Json& row, const std::string& place) = 0;

  void keep(Example example) {
    for (const TokenRow& row : example.rows) {
      if (row.ids.empty()) refuse_empty(example.place);
      if (options_.vocabulary == 0) continue;
      check_within_embedding(row.ids, tokenizer_.tokenizer(), options_.vocabulary, example.place);
    }
    set_.examples.push_back(std::move(example));
  }

  [[noreturn]] static void refuse_empty(const std::string& place) {
    throw input_error(place + ": the chat template makes no text of it");
  }

  Ids encode(const Json& messages, bool add_generation_prompt) const {
    ChatOptions options;
    options.add_generation_prompt = add_generation_prompt;
    return tokenizer_.encode(messages, options);
  }

  static Json answered(Json prompt, const std::string& answer) {
    prompt.push_back({{"role", "assistant"}, {"content", answer}});
    return prompt;
  }

  const ChatTokenizer& tokenizer_;
  const ExampleOptions& options_;
  ExampleSet set_;
  Noted prompts_cut_, answers_cut_, same_, too_long_, without_answer_;

 private:
  /// Adds the place of the row, which the tokenizer and its template do not know, to their errors.
  void add_at(const Json& row, const std::string& place) {
    try {
      add(row, place);
    } catch (const Error& error) {
      const std::string what = error.what();
      if (what.starts_with(place)) throw;
      throw Error(error.category(), place + ": " + what);
    }
  }

  std::vector<std::int64_t> choose(const RowSource& source,
                                   const CancellationToken& cancellation) const {
    if (options_.fraction >= 1) return {};
    const auto rows = source();
    Json row;
    std::int64_t count = 0;
    for (; rows->next(row); ++count) cancellation.check();
    if (count == 0) return {};
    return rows_of_fraction(count, options_.fraction, options_.seed);
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
    if (set_.examples.empty()) {
      throw input_error(fmt::format("{}: has {}, and none is left to train on{}{}", options_.name,
                                    counted(counts.rows, "row"), set_.warnings.empty() ? "" : ": ",
                                    fmt::join(set_.warnings, "; ")));
    }
    set_.digest = digest();
    return std::move(set_);
  }

  std::string digest() const {
    ByteDigest digest;
    for (const Example& example : set_.examples) {
      for (const TokenRow& row : example.rows) {
        const std::vector<std::uint8_t> counts(row.counts.begin(), row.counts.end());
        const std::uint64_t size = row.ids.size();
        digest.add(&size, sizeof size);
        digest.add(row.ids.data(), size * sizeof(TokenId));
        digest.add(counts.data(), size);
      }
    }
    return digest.text();
  }
};

class PairReading : public Reading {
 public:
  using Reading::Reading;

 protected:
  void add(const Json& json, const std::string& place) override {
    const Preference pair = read_preference(json, place, options_.columns);
    if (pair.chosen == pair.rejected) return same_.add(place);
    Ids prompt = encode(pair.prompt, true);
    Ids chosen = encode(answered(pair.prompt, pair.chosen), false);
    Ids rejected = encode(answered(pair.prompt, pair.rejected), false);
    if (chosen == rejected) return same_.add(place);
    take(std::move(prompt), std::move(chosen), std::move(rejected), place);
  }

  virtual void take(Ids prompt, Ids chosen, Ids rejected, const std::string& place) {
    // The template may render the end of a prompt differently once an answer follows.
    const std::size_t shared =
        std::min(common_prefix(prompt, chosen), common_prefix(prompt, rejected));
    prompt.resize(shared);
    const auto length = static_cast<std::size_t>(options_.max_length);
    const auto prompt_length = static_cast<std::size_t>(options_.max_prompt_length);
    std::size_t dropped = 0;
    if (std::max(chosen.size(), rejected.size()) > length && shared > prompt_length) {
      dropped = shared - prompt_length;
      prompts_cut_.add(place);
    }
    Example example{{}, place, {}};
    bool cut = false;
    for (const Ids* ids : {&chosen, &rejected}) {
      const std::size_t end = std::min(ids->size(), dropped + length);
      cut = cut || end < ids->size();
      example.rows.push_back(row_of(*ids, dropped, end, shared));
    }
    if (cut) answers_cut_.add(place);
    if (example.rows[0].ids == example.rows[1].ids) return same_.add(place);
    const std::size_t first = shared - dropped;
    for (const TokenRow& row : example.rows) {
      if (row.ids.size() <= std::max<std::size_t>(first, 1)) return without_answer_.add(place);
    }
    keep(std::move(example));
  }

  static TokenRow row_of(const Ids& ids, std::size_t begin, std::size_t end, std::size_t answer) {
    TokenRow row;
    row.ids.assign(ids.begin() + static_cast<std::ptrdiff_t>(begin),
                   ids.begin() + static_cast<std::ptrdiff_t>(end));
    row.counts.assign(row.ids.size(), false);
    for (std::size_t i = answer; i < end; ++i) row.counts[i - begin] = true;
    return row;
  }
};

class RewardPairReading final : public PairReading {
 public:
  using PairReading::PairReading;

 protected:
  void take(Ids, Ids chosen, Ids rejected, const std::string& place) override {
    const auto length = static_cast<std::size_t>(options_.max_length);
    if (std::max(chosen.size(), rejected.size()) > length) return too_long_.add(place);
    Example example{{}, place, {}};
    for (const Ids* ids : {&chosen, &rejected})
      example.rows.push_back(row_of(*ids, 0, ids->size(), 0));
    keep(std::move(example));
  }
};

class ConversationReading final : public Reading {
 public:
  using Reading::Reading;

 protected:
  void add(const Json& json, const std::string& place) override {
    const RowView row(json, place);
    const Json messages = conversation(row);
    Example example{{TokenRow{}}, place, {}};
    TokenRow& tokens = example.rows.front();
    tokens.ids = encode(messages, false);
    if (tokens.ids.empty()) refuse_empty(place);
    tokens.counts.assign(tokens.ids.size(), false);
    for (std::size_t turn = 0; turn < messages.size(); ++turn) {
      if (messages[turn]["role"] == "assistant") mark_turn(row, messages, turn, tokens);
    }
    if (std::ranges::count(tokens.counts, true) == 0)
      row.refuse("it has no assistant turn, so there is nothing to train on");
    const auto length = static_cast<std::size_t>(options_.max_length);
    if (tokens.ids.size() > length) {
      answers_cut_.add(place);
      tokens.ids.resize(length);
      tokens.counts.resize(length);
    }
    const auto counted = std::count(tokens.counts.begin() + 1, tokens.counts.end(), true);
    if (counted == 0) return without_answer_.add(place);
    keep(std::move(example));
  }

 private:
  static Json conversation(const RowView& row) {
    if (const Json* messages = row.find("", {"messages"}))
      return read_messages(row, *messages, "messages");
    const Json* prompt = row.find("", {"prompt", "instruction"});
    const Json* completion = row.find("", {"completion", "output"});
    if (prompt == nullptr || completion == nullptr)
      row.refuse(
          "there is neither a column messages nor both a prompt (prompt, instruction) and an "
          "answer (completion, output)");
    Json turns = prompt->is_string()
                     ? Json::array({{{"role", "user"}, {"content", prompt_text(row, *prompt)}}})
                     : read_messages(row, *prompt, "prompt");
    if (completion->is_string()) return answered(std::move(turns), completion->get<std::string>());
    for (const Json& turn : read_messages(row, *completion, "completion")) turns.push_back(turn);
    return turns;
  }

  /// The turn with different content: what it shares with the real turn is what the template puts
  /// before the content.
  static Json another_opening(Json turn) {
    const std::string words = turn["content"];
    turn["content"] = words.starts_with('x') ? "y" : "x";
    return Json::array({turn});
  }

  /// A turn's tokens are those that rendering it adds to what is rendered before it.
  void mark_turn(const RowView& row, const Json& messages, std::size_t turn,
                 TokenRow& tokens) const {
    if (messages[turn]["content"].get_ref<const std::string&>().empty())
      row.refuse(fmt::format("turn {}, by the assistant, is empty", turn + 1));
    Json before = Json::array();
    for (std::size_t i = 0; i < turn; ++i) before.push_back(messages[i]);
    const std::size_t first = std::max<std::size_t>(
        1, common_prefix(before.empty() ? encode(another_opening(messages[turn]), false)
                                        : encode(before, true),
                         tokens.ids));
    before.push_back(messages[turn]);
    const std::size_t last = common_prefix(encode(before, false), tokens.ids);
    if (first >= last) {
      row.refuse(
          fmt::format("the chat template renders turn {}, by the assistant, in a way that hides "
                      "which tokens are its own",
                      turn + 1));
    }
    for (std::size_t i = first; i < last; ++i) tokens.counts[i] = true;
  }
};

}  // namespace

Json to_json(const ExampleCounts& counts) {
  return {{"rows", counts.rows},
          {"chosen_rows", counts.chosen_rows},
          {"examples", counts.examples},
          {"prompts_cut", counts.prompts_cut},
          {"answers_cut", counts.answers_cut},
          {"same_answers", counts.same_answers},
          {"too_long", counts.too_long},
          {"without_answer", counts.without_answer}};
}

ExampleSet read_pairs(const RowSource& source, const ChatTokenizer& tokenizer,
                      const ExampleOptions& options, const CancellationToken& cancellation) {
  return PairReading(tokenizer, options).run(source, cancellation);
}

ExampleSet read_reward_pairs(const RowSource& source, const ChatTokenizer& tokenizer,
                             const ExampleOptions& options, const CancellationToken& cancellation) {
  return RewardPairReading(tokenizer, options).run(source, cancellation);
}

ExampleSet read_conversations(const RowSource& source, const ChatTokenizer& tokenizer,
                              const ExampleOptions& options,
                              const CancellationToken& cancellation) {
  return ConversationReading(tokenizer, options).run(source, cancellation);
}

}  // namespace expo
