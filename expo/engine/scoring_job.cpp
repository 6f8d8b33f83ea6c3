#include "expo/engine/scoring_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <numeric>

#include "expo/core/error.h"
#include "expo/core/version.h"
#include "expo/engine/answer_rows.h"
#include "expo/engine/conversations.h"
#include "expo/engine/kept_rows.h"
#include "expo/engine/reward_statistics.h"
#include "expo/engine/row_progress_span.h"

namespace expo {
namespace {

/// The column with the number of tokens that a log-probability is the sum of.
constexpr const char* kCount = "answer_tokens";

/// Rounds to the shortest decimal number that reads back as this float, so that JSON does not show
/// the digits of its double.
Json number_of(float value) {
  return std::stod(fmt::format("{}", value));
}

Json to_json(const MeanOfRewards& mean) {
  return {{"mean", mean.mean},
          {"standard_error", mean.standard_error ? Json(*mean.standard_error) : Json()}};
}

Json to_json(const PairScores& pairs) {
  const auto& [low, high] = pairs.accuracy_interval;
  const auto& [margin_low, margin_high] = pairs.margin_interval;
  return {{"wins", pairs.wins},
          {"ties", pairs.ties},
          {"accuracy", pairs.accuracy},
          {"accuracy_95", {low, high}},
          {"margin", to_json(pairs.margin)},
          {"margin_95", {margin_low, margin_high}}};
}

MeanOfRewards mean_of_json(const Json& json) {
  const Json& error = json.at("standard_error");
  return {json.at("mean").get<double>(),
          error.is_null() ? std::nullopt : std::optional(error.get<double>())};
}

/// The inverse of to_json.
PairScores pairs_of_json(const Json& json) {
  return {.wins = json.at("wins").get<std::uint64_t>(),
          .ties = json.at("ties").get<std::uint64_t>(),
          .accuracy = json.at("accuracy").get<double>(),
          .accuracy_interval = json.at("accuracy_95").get<std::pair<double, double>>(),
          .margin = mean_of_json(json.at("margin")),
          .margin_interval = json.at("margin_95").get<std::pair<double, double>>()};
}

class Job {
 public:
  Job(Filesystem& filesystem, Engine& engine, const std::vector<AnsweredRow>& rows,
      const ScoringJob& job, const std::function<void(const Json&)>& emit)
      : engine_(engine),
        rows_(rows),
        job_(job),
        emit_(emit),
        kept_(filesystem, engine, job.output) {}

  ScoringReport run(RowProgress* progress, const CancellationToken& cancellation) {
    check(job_);
    before_ = engine_.describe();
    collect();
    kept_.open(settings());
    if (const Json* record = kept_.complete()) return of_complete(record->at("results"));
    report_.resumed = kept_.all().size();
    kept_.guard([&] {
      measure(progress, cancellation);
      summarise();
      if (!kept_.gives_out()) kept_.commit(all_rows(), record(), cancellation);
    });
    return std::move(report_);
  }

 private:
  ScoringReport of_complete(const Json& results) {
    report_.was_complete = true;
    report_.resumed = report_.rows;
    for (const Json& label : results.at("labels")) report_.labels.push_back(mean_of_json(label));
    if (!results.at("pairs").is_null()) report_.pairs = pairs_of_json(results.at("pairs"));
    report_.engine = engine_.describe();
    return std::move(report_);
  }

  bool are_pairs() const { return rows_.front().conversations.size() == 2; }

  std::vector<std::string> suffixes() const {
    return are_pairs() ? std::vector<std::string>{"_chosen", "_rejected"}
                       : std::vector<std::string>{""};
  }

  void check_columns(const AnsweredRow& row) const {
    for (const std::string& suffix : suffixes()) {
      if (row.row.contains(job_.column + suffix)) {
        throw input_error(fmt::format(
            "{}: the row already has a column {}; choose another with --reward-column NAME",
            row.place, job_.column + suffix));
      }
      if (job_.log_probs && row.row.contains(kCount + suffix)) {
        throw input_error(
            fmt::format("{}: the row already has a column {}, which --log-probs writes; rename it",
                        row.place, kCount + suffix));
      }
    }
  }

  /// Counts the tokens that the engine will read of each conversation.
  std::optional<std::vector<std::size_t>> count(std::span<const Conversation> all) {
    return job_.log_probs ? engine_.count_log_prob_tokens(all) : engine_.count_tokens(all);
  }

  /// Chooses the rows of which every conversation fits.
  void collect() {
    std::vector<Conversation> all;
    for (const AnsweredRow& row : rows_) {
      check_columns(row);
      for (const Chat& chat : row.conversations)
        all.push_back({with_system(chat, job_.system), row.id, row.place});
    }
    const Fitting fitting =
        choose_fitting(all, count(all), engine_.describe().context, 0, job_.skip_too_long);
    const std::size_t each = rows_.empty() ? 1 : rows_.front().conversations.size();
    std::vector<std::size_t> fits(rows_.size());
    for (const std::size_t index : fitting.kept) ++fits[index / each];
    for (std::size_t row = 0; row < rows_.size(); ++row) {
      if (fits[row] < each) continue;
      chosen_.push_back(row);
      for (std::size_t i = 0; i < each; ++i)
        conversations_.push_back(std::move(all[row * each + i]));
    }
    if (chosen_.empty()) throw input_error("no row is left to score: all were skipped");
    report_.rows = chosen_.size();
    report_.skipped = rows_.size() - chosen_.size();
    report_.warnings = describe_skipped(fitting, report_.skipped);
    report_.output = job_.output.file;
    report_.column = job_.column;
  }

  Json settings() const {
    return {{"expo", version()},
            {"model", engine_.describe().identity},
            {"answers", {{"rows", chosen_.size()}, {"digest", digest_of(conversations_)}}},
            {"log_probs", job_.log_probs},
            {"column", job_.column},
            {"as_array", job_.output.as_array}};
  }

  /// Scores the rows, and measures the time without that of loading.
  void measure(RowProgress* progress, const CancellationToken& cancellation) {
    const auto start = std::chrono::steady_clock::now();
    score(progress, cancellation);
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    report_.engine = engine_.describe();
    const double loading = report_.engine.loading_seconds - before_.loading_seconds;
    report_.seconds = std::max(0.0, passed.count() - loading);
    for (std::string& warning : report_.engine.warnings_beyond(before_.warnings))
      report_.warnings.push_back(std::move(warning));
  }

  std::vector<std::uint64_t> missing_rows() const {
    std::vector<std::uint64_t> missing;
    for (std::uint64_t number = 0; number < chosen_.size(); ++number) {
      if (!kept_.contains(number)) missing.push_back(number);
    }
    return missing;
  }

  /// Scores batch by batch; a row is kept as soon as the last of its conversations is scored.
  void score(RowProgress* progress, const CancellationToken& cancellation) {
    const std::vector<std::uint64_t> missing = missing_rows();
    const std::size_t all = missing.size() * suffixes().size();
    RowProgressSpan span(progress, "scoring", missing.size());
    const auto advance = [&](std::uint64_t tokens) {
      report_.tokens += tokens;
      span.advance_tokens(tokens);
    };
    std::vector<std::vector<float>> scores;  // scores of rows that are not kept yet
    auto untaken = std::span(missing);
    for (std::size_t first = 0; first < all; first += job_.batch_size) {
      cancellation.check();
      const auto batch = conversations_of(missing, first, std::min(job_.batch_size, all - first));
      std::ranges::move(ask(batch, advance, cancellation), std::back_inserter(scores));
      const std::size_t done = take(untaken, scores);
      untaken = untaken.subspan(done);
      span.advance_rows(done);
    }
  }

  /// Conversations [first, first + count) of these rows, one row after the other.
  std::vector<Conversation> conversations_of(std::span<const std::uint64_t> rows, std::size_t first,
                                             std::size_t count) const {
    const std::size_t each = suffixes().size();
    std::vector<Conversation> some;
    for (std::size_t i = first; i < first + count; ++i)
      some.push_back(conversations_[rows[i / each] * each + i % each]);
    return some;
  }

  std::vector<std::vector<float>> ask(std::span<const Conversation> some,
                                      const Engine::TokenSink& advance,
                                      const CancellationToken& cancellation) const {
    return job_.log_probs ? engine_.log_probs(some, advance, cancellation)
                          : engine_.rewards(some, advance, cancellation);
  }

  /// Keeps those of the first rows whose scores are complete, removes these scores, and returns the
  /// number of these rows. A row's result is a list with an entry for each of its conversations.
  std::size_t take(std::span<const std::uint64_t> numbers,
                   std::vector<std::vector<float>>& scores) {
    const std::size_t each = suffixes().size();
    std::vector<KeptRows::Row> fresh;
    for (std::size_t row = 0; row < scores.size() / each; ++row) {
      Json result = Json::array();
      for (std::size_t i = 0; i < each; ++i) result.push_back(value_of(scores[row * each + i]));
      fresh.emplace_back(numbers[row], std::move(result));
    }
    scores.erase(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(fresh.size() * each));
    if (!fresh.empty()) kept_.take(fresh);
    if (kept_.gives_out()) {
      for (const auto& [number, result] : fresh) emit_(row_of(number));
    }
    return fresh.size();
  }

  /// One reward becomes a number and several a list; log-probabilities become their sum and number.
  Json value_of(const std::vector<float>& values) const {
    if (job_.log_probs) {
      return {{"sum", std::accumulate(values.begin(), values.end(), 0.0)},
              {"tokens", values.size()}};
    }
    if (values.size() == 1) return number_of(values.front());
    Json list = Json::array();
    for (const float value : values) list.push_back(number_of(value));
    return list;
  }

  Json row_of(std::uint64_t number) const {
    Json row = rows_[chosen_[number]].row;
    const Json& result = kept_.at(number);
    const auto names = suffixes();
    for (std::size_t i = 0; i < names.size(); ++i) {
      row[job_.column + names[i]] = job_.log_probs ? result.at(i).at("sum") : result.at(i);
      if (job_.log_probs) row[kCount + names[i]] = result.at(i).at("tokens");
    }
    return row;
  }

  std::vector<Json> all_rows() const {
    std::vector<Json> all;
    for (std::uint64_t number = 0; number < chosen_.size(); ++number) all.push_back(row_of(number));
    return all;
  }

  /// The values of one conversation of a row, as a list.
  std::vector<double> values_at(std::uint64_t number, std::size_t conversation) const {
    const Json& value = kept_.at(number).at(conversation);
    if (job_.log_probs) return {value.at("sum").get<double>()};
    return value.is_array() ? value.get<std::vector<double>>()
                            : std::vector<double>{value.get<double>()};
  }

  void summarise() {
    if (are_pairs()) {
      std::vector<std::pair<double, double>> pairs;
      for (std::uint64_t number = 0; number < chosen_.size(); ++number)
        pairs.emplace_back(values_at(number, 0).front(), values_at(number, 1).front());
      if (const std::size_t labels = values_at(0, 0).size(); labels == 1) {
        report_.pairs = score_pairs(pairs);
      } else {
        report_.warnings.push_back(fmt::format(
            "the model gives {} values for an answer, by which no pair can be judged: accuracy "
            "and margin are left out",
            labels));
      }
      return;
    }
    for (std::size_t label = 0; label < values_at(0, 0).size(); ++label) {
      std::vector<double> values;
      for (std::uint64_t number = 0; number < chosen_.size(); ++number)
        values.push_back(values_at(number, 0).at(label));
      report_.labels.push_back(mean_of(values));
    }
  }

  Json record() const {
    const Json report = to_json(report_);
    Json results = {{"rows", report_.rows}, {"skipped", report_.skipped}};
    for (const char* key : {"labels", "pairs"}) results[key] = report.at(key);
    return {{"expo", version()},
            {"command", "score"},
            {"settings", settings()},
            {"engine", report_.engine.facts},
            {"results", std::move(results)}};
  }

  Engine& engine_;
  const std::vector<AnsweredRow>& rows_;
  const ScoringJob& job_;
  const std::function<void(const Json&)>& emit_;
  std::vector<std::size_t> chosen_;          ///< indices into rows_
  std::vector<Conversation> conversations_;  ///< one or two for each kept row
  KeptRows kept_;
  EngineDescription before_;  ///< the engine before the run
  ScoringReport report_;
};

}  // namespace

void check(const ScoringJob& job) {
  if (job.batch_size == 0) throw usage_error("a batch holds at least one conversation");
  if (job.log_probs && job.column == kCount) {
    throw usage_error(
        "--reward-column answer_tokens: --log-probs writes the number of tokens to a column of "
        "that name; choose another");
  }
}

ScoringReport run_scoring(Filesystem& filesystem, Engine& engine,
                          const std::vector<AnsweredRow>& rows, const ScoringJob& job,
                          const std::function<void(const Json&)>& emit, RowProgress* progress,
                          const CancellationToken& cancellation) {
  return Job(filesystem, engine, rows, job, emit).run(progress, cancellation);
}

Json to_json(const ScoringReport& report) {
  Json labels = Json::array();
  for (const MeanOfRewards& label : report.labels) labels.push_back(to_json(label));
  return {{"output", report.output.empty() ? Json() : Json(report.output.string())},
          {"column", report.column},
          {"rows", report.rows},
          {"skipped", report.skipped},
          {"resumed", report.resumed},
          {"was_complete", report.was_complete},
          {"labels", std::move(labels)},
          {"pairs", report.pairs ? to_json(*report.pairs) : Json()},
          {"tokens", report.tokens},
          {"seconds", {{"loading", report.engine.loading_seconds}, {"scoring", report.seconds}}},
          {"tokens_per_second",
           report.seconds > 0 ? Json(static_cast<double>(report.tokens) / report.seconds) : Json()},
          {"alpha", report.engine.alpha ? Json(*report.engine.alpha) : Json()},
          {"effective_alpha",
           report.engine.effective_alpha ? Json(*report.engine.effective_alpha) : Json()},
          {"engine", report.engine.facts},
          {"warnings", report.warnings}};
}

}  // namespace expo
