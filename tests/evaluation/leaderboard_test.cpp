#include "expo/evaluation/leaderboard_row.h"

#include <gtest/gtest.h>

#include <cmath>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/philox.h"
#include "expo/evaluation/bootstrap.h"
#include "expo/evaluation/comparison.h"
#include "expo/evaluation/logistic_fit.h"
#include "support/contains.h"
#include "support/refusal.h"

namespace expo {
namespace {

using Features = LogisticProblem::Features;
const CancellationToken kNever;

/// Sixty instructions in the place of AlpacaEval's.
ReferenceData reference() {
  const RandomStream random(7, 0);
  ReferenceData data;
  for (std::uint64_t i = 0; i < 60; ++i) {
    data.baseline_lengths.push_back(1000 + 17 * i);
    data.difficulties.push_back(random.normal_pair(i).first);
    data.gamed.rows.push_back({random.normal_pair(i).second, data.difficulties.back()});
    data.gamed.sums[0] += 0.5 * data.gamed.rows.back()[0];
    data.gamed.sums[1] += 0.4 * data.gamed.rows.back()[1];
  }
  return data;
}

Annotations annotations(std::uint64_t seed, std::size_t count = 60) {
  const RandomStream random(seed, 1);
  Annotations result{.location = "/a.csv", .model = "m"};
  for (std::size_t i = 0; i < count; ++i) {
    const double z = random.normal_pair(i).first;
    result.rows.push_back({.index = i,
                           .place = "/a.csv:" + std::to_string(i + 2),
                           .baseline_length = 1000 + 17 * i,
                           .model_length = 500 + static_cast<std::uint64_t>(std::exp(6 + z)),
                           .preference = 1 + sigmoid(random.normal_pair(i).second + 0.3 * z)});
  }
  return result;
}

std::string refused(const Annotations& rows, RowDemands demands = {}) {
  return refusal(ErrorCategory::input, [&] { judged_rows(rows, reference(), demands); });
}

TEST(LogisticFit, MeetsTheConditionsOfAMinimum) {
  const RandomStream random(3, 0);
  for (std::uint64_t round = 0; round < 20; ++round) {
    LogisticProblem problem;
    std::vector<double> labels;
    for (std::uint64_t i = 0; i < 40; ++i) {
      const auto [a, b] = random.normal_pair(100 * round + i);
      labels.push_back(random.unit_interval(5000 + 100 * round + i) < 0.5 ? 0 : 1);
      problem.add({std::tanh(a), b, 1}, 1, labels.back());
    }
    const double c = std::pow(10.0, -4 + 8.0 * static_cast<double>(round) / 19);
    const Features beta = fit_logistic(problem, c);
    for (std::size_t j = 0; j < 3; ++j) {
      double slope = 0;
      for (std::size_t i = 0; i < 40; ++i)
        slope += c * (sigmoid(dot(problem.rows[i], beta)) - labels[i]) * problem.rows[i][j];
      // The slope of the loss balances that of the penalty, which is anything in [-1, 1] at 0.
      if (beta[j] == 0) {
        EXPECT_LE(std::abs(slope), 1 + 1e-9);
      } else {
        EXPECT_NEAR(slope, beta[j] > 0 ? -1 : 1, 1e-7 * std::max(1.0, c)) << round << " " << j;
      }
    }
  }
}

TEST(LogisticFit, EndsWhereLabelsAreSeparable) {
  LogisticProblem problem;
  for (int i = 0; i < 10; ++i) problem.add({i < 5 ? -1.0 : 1.0, 0, 1}, 1, i < 5 ? 0 : 1);
  const Features beta = fit_logistic(problem, 1e6);
  EXPECT_GT(beta[0], 10);
  EXPECT_TRUE(std::isfinite(beta[0]));
  EXPECT_EQ(beta[1], 0);
  EXPECT_NEAR(beta[2], 0, 1e-6);
}

TEST(LogisticFit, GivesFeaturesThatNoRowHasNoCoefficient) {
  LogisticProblem problem;
  for (int i = 0; i < 10; ++i) problem.add({i - 4.5, 0, 1}, 1, i < 4 ? 0 : 1);
  problem.add({0, 3, 0}, 0, 1);  // a row without weight is none
  const Features fresh = fit_logistic(problem, 2);
  const Features warm = fit_logistic(problem, 2, {-1, 5, 2});
  EXPECT_EQ(warm[1], 0);
  EXPECT_NEAR(warm[0], fresh[0], 1e-9);
  EXPECT_NEAR(warm[2], fresh[2], 1e-9);
}

TEST(JudgedRows, KnowsAlpacaEvalByTheBaselinesLengths) {
  EXPECT_TRUE(judged_rows(annotations(1), reference(), {}).alpaca_eval);
  EXPECT_FALSE(judged_rows(annotations(1), reference(), {.other_instructions = true}).alpaca_eval);
  Annotations other = annotations(1);
  for (Annotation& row : other.rows) row.baseline_length += 3;
  EXPECT_FALSE(judged_rows(other, reference(), {}).alpaca_eval);
}

TEST(JudgedRows, NamesRowsThatAreMissing) {
  Annotations rows = annotations(1);
  rows.rows.pop_back();
  rows.rows.erase(rows.rows.begin() + 17);
  EXPECT_TRUE(contains(refused(rows),
                       "/a.csv: there is no row with the index 17 (and 1 more); "
                       "expected 60 rows"));
  const JudgedRows judged = judged_rows(rows, reference(), {.allow_missing = true});
  EXPECT_EQ(judged.missing, 2u);
  EXPECT_EQ(judged.rows.size(), 58u);
}

TEST(JudgedRows, NamesRowsThatFailed) {
  Annotations rows = annotations(1);
  rows.rows[4].preference.reset();
  rows.rows[9].preference.reset();
  rows.rows[11].preference.reset();
  EXPECT_TRUE(contains(refused(rows), "/a.csv:6: the row with the index 4 (and 2 more) has no"));
  const auto row = evaluate(rows, reference(), {.rows = {.allow_missing = true}}, kNever);
  EXPECT_EQ(row.failed, 3u);
  EXPECT_EQ(row.rows, 57u);
  EXPECT_EQ(is_comparable(row), false);
  EXPECT_TRUE(
      contains(row.notes.at(0), "over 57 of 60 rows (without a preference: 3, missing: 0)"));
}

TEST(JudgedRows, NamesRowsThatWereShuffled) {
  Annotations rows = annotations(1);
  std::swap(rows.rows[20].baseline_length, rows.rows[30].baseline_length);
  EXPECT_TRUE(contains(refused(rows), "/a.csv:22: the baseline's answer of index 20 has 1510"));
  EXPECT_TRUE(contains(refused(rows), "expected 1340"));
  EXPECT_FALSE(judged_rows(rows, reference(), {.other_instructions = true}).alpaca_eval);
}

TEST(JudgedRows, OtherInstructionsMayCountFromAnywhere) {
  Annotations rows = annotations(1, 5);
  for (Annotation& row : rows.rows) {
    row.index += 100;
    row.baseline_length = 7;
  }
  EXPECT_EQ(judged_rows(rows, reference(), {}).rows.size(), 5u);
  rows.rows.erase(rows.rows.begin() + 2);
  EXPECT_TRUE(contains(refused(rows), "no row with the index 102; expected 5 rows"));
  rows.rows.resize(1);
  EXPECT_TRUE(contains(refused(rows), "1 row with a preference; expected at least two"));
}

TEST(WinCounts, CountDrawsAsAlpacaEvalDoes) {
  std::vector<Annotation> rows(5);
  const std::vector<double> preferences{1.5, 1.5000001, 1.4999, 2, 1};
  for (std::size_t i = 0; i < 5; ++i) rows[i].preference = preferences[i];
  const WinCounts counts = count_wins(rows);
  EXPECT_EQ(counts.wins, 2u);
  EXPECT_EQ(counts.baseline_wins, 2u);
  EXPECT_EQ(counts.draws, 1u);
  EXPECT_DOUBLE_EQ(counts.discrete_win_rate, 50);
  EXPECT_NEAR(counts.win_rate, 50 - 0.001998, 1e-9);
}

TEST(Leaderboard, RatesStayNumbersWhereLengthsAreAllAlike) {
  Annotations rows = annotations(1);
  for (Annotation& row : rows.rows) row.model_length = row.baseline_length;
  const auto row = evaluate(rows, reference(), {.rows = {.other_instructions = true}}, kNever);
  EXPECT_FALSE(row.controlled.lengths_vary);
  EXPECT_EQ(row.controlled.coefficients[0], 0);
  // Of a constant alone, the fit is the mean, up to the penalty.
  EXPECT_NEAR(row.controlled.win_rate, row.wins.win_rate, 2);
  EXPECT_TRUE(contains(row.notes.back(), "the same length"));
}

TEST(Leaderboard, RowsThatFailedTakePartByTheirLengthsAndDifficulties) {
  Annotations rows = annotations(1);
  for (const std::size_t i : {3u, 20u, 41u}) rows.rows[i].preference.reset();
  const auto row = evaluate(rows, reference(), {.rows = {.allow_missing = true}}, kNever);
  const ReferenceData data = reference();
  double sum = 0;
  for (const double difficulty : data.difficulties)
    sum += sigmoid(row.controlled.coefficients[1] * difficulty + row.controlled.coefficients[2]);
  EXPECT_NEAR(row.controlled.win_rate, 100 * sum / 60, 1e-9);
  EXPECT_EQ(row.mean_length, evaluate(annotations(1), reference(), {}, kNever).mean_length);
  // Their lengths count for the standard deviation, and so for the fit.
  rows.rows[20].model_length = 100000;
  const auto longer = evaluate(rows, reference(), {.rows = {.allow_missing = true}}, kNever);
  EXPECT_NE(longer.controlled.coefficients[0], row.controlled.coefficients[0]);
}

TEST(Leaderboard, RatesStayNumbersWhereNearlyAllRowsFailed) {
  Annotations rows = annotations(1);
  for (std::size_t i = 2; i < 60; ++i) rows.rows[i].preference.reset();
  const auto row = evaluate(rows, reference(), {.rows = {.allow_missing = true}}, kNever);
  EXPECT_EQ(row.rows, 2u);
  EXPECT_TRUE(std::isfinite(row.interval.first) && std::isfinite(row.interval.second));
}

TEST(Leaderboard, TheBaselineHasHalfOfItself) {
  Annotations rows = annotations(1);
  rows.baseline = rows.model;
  const auto row = evaluate(rows, reference(), {}, kNever);
  EXPECT_EQ(row.controlled.win_rate, 50);
  EXPECT_EQ(row.interval, (std::pair{50.0, 50.0}));
  EXPECT_TRUE(contains(row.notes.back(), "the model is the baseline itself"));
  const Json json = to_json(row);
  EXPECT_TRUE(json["fit"].is_null());
  EXPECT_EQ(json["alpaca_eval"], true);
}

TEST(Leaderboard, SaysWhatMayBeCompared) {
  Annotations rows = annotations(1);
  const auto comparable = [&] { return is_comparable(evaluate(rows, reference(), {}, kNever)); };
  EXPECT_EQ(comparable(), std::nullopt);
  rows.judge = "weighted_alpaca_eval_gpt4_turbo";
  EXPECT_EQ(comparable(), true);
  EXPECT_TRUE(evaluate(rows, reference(), {}, kNever).notes.empty());
  rows.judge = "somebody_else";
  EXPECT_EQ(comparable(), false);
}

TEST(Leaderboard, ResultsDependOnTheSeedAlone) {
  const auto row = [&](std::uint64_t seed) {
    return to_json(evaluate(annotations(1), reference(), {.resamples = 150, .seed = seed}, kNever));
  };
  EXPECT_EQ(row(1), row(1));
  EXPECT_NE(row(1)["length_controlled_95"], row(2)["length_controlled_95"]);
  EXPECT_EQ(row(1)["length_controlled_winrate"], row(2)["length_controlled_winrate"]);
}

TEST(Leaderboard, CanBeCancelled) {
  CancellationToken cancelled;
  cancelled.cancel();
  refusal(ErrorCategory::interrupted,
          [&] { evaluate(annotations(1), reference(), {}, cancelled); });
}

TEST(Comparison, IsPaired) {
  const Annotations first = annotations(1);
  Annotations second = first;
  for (Annotation& row : second.rows) row.preference = std::min(2.0, *row.preference + 0.05);
  const Comparison found = compare(first, second, reference(), {}, kNever);
  // Nearly the same difference everywhere: the interval is far narrower than the models' own.
  EXPECT_NEAR(found.win_rate.difference, 5, 0.5);
  EXPECT_LT(found.win_rate.interval.second - found.win_rate.interval.first, 1);
  EXPECT_LT(found.controlled_win_rate.interval.second - found.controlled_win_rate.interval.first,
            (found.first.interval.second - found.first.interval.first) / 3);
  const Comparison itself = compare(first, first, reference(), {}, kNever);
  EXPECT_EQ(itself.win_rate.interval, (std::pair{0.0, 0.0}));
  EXPECT_EQ(itself.controlled_win_rate.interval, (std::pair{0.0, 0.0}));
}

TEST(Comparison, DecidesOnTheCommonRowsForBothAlike) {
  // Thirty rows are AlpacaEval's. Forty more, in one of the files only, are not.
  Annotations mixed = annotations(1, 30);
  for (std::size_t i = 0; i < 40; ++i)
    mixed.rows.push_back({.index = 60 + i,
                          .place = "/a.csv:" + std::to_string(62 + i),
                          .baseline_length = 7,
                          .model_length = 100000,
                          .preference = 1.25});
  mixed.rows.back().preference.reset();
  const Annotations pure = annotations(2, 30);
  const EvaluationOptions options{.rows = {.allow_missing = true}};
  for (const bool swapped : {false, true}) {
    const auto found = swapped ? compare(pure, mixed, reference(), options, kNever)
                               : compare(mixed, pure, reference(), options, kNever);
    for (const LeaderboardRow* row : {&found.first, &found.second}) {
      EXPECT_TRUE(row->alpaca_eval);
      EXPECT_NE(row->controlled.coefficients[1], 0);
      EXPECT_EQ(row->rows, 30u);
      EXPECT_EQ(row->missing, 30u);
      EXPECT_EQ(row->failed, 0u);
    }
    // The lengths are those of the rows that are compared.
    const auto& row = swapped ? found.second : found.first;
    const EvaluationOptions other{.rows = {.other_instructions = true}};
    EXPECT_EQ(row.mean_length, evaluate(annotations(1, 30), {}, other, kNever).mean_length);
  }
}

TEST(Comparison, LeavesOutWhatOneOfThemLacks) {
  Annotations first = annotations(1);
  first.rows[5].preference.reset();
  first.rows[5].model_length = 1000000;
  const EvaluationOptions options{.rows = {.allow_missing = true}};
  const auto found = compare(first, annotations(2), reference(), options, kNever);
  EXPECT_EQ(found.first.rows, 59u);
  EXPECT_EQ(found.second.rows, 59u);
  EXPECT_EQ(found.first.failed, 1u);
  EXPECT_EQ(found.second.missing, 1u);
  EXPECT_LT(found.first.mean_length, 10000u);
}

TEST(Comparison, RefusesWhatIsNotThere) {
  const Annotations first = annotations(1);
  const auto message = [&](const Annotations& second) {
    return refusal(ErrorCategory::input, [&] { compare(first, second, reference(), {}, kNever); });
  };
  Annotations second = annotations(2, 50);
  EXPECT_TRUE(contains(message(second), "no row with the index 50"));
  const auto common =
      compare(first, second, reference(), {.rows = {.allow_missing = true}}, kNever);
  EXPECT_EQ(common.first.rows, 50u);
  EXPECT_EQ(common.second.rows, 50u);
  second = annotations(2);
  second.rows[3].baseline_length = 7;
  EXPECT_TRUE(contains(message(second), "/a.csv:5: the baseline's answer of index 3 has 7"));
  Annotations told = first;
  for (auto* one : {&told, &second}) one->rows[3].instruction = one == &told ? "a" : "b";
  EXPECT_TRUE(contains(
      refusal(ErrorCategory::input, [&] { compare(told, second, reference(), {}, kNever); }),
      "the instruction of index 3 is another"));
  told.judge = "a";
  second.judge = "b";
  EXPECT_TRUE(contains(
      refusal(ErrorCategory::input, [&] { compare(told, second, reference(), {}, kNever); }),
      "the judge is b, but a in"));
}

TEST(Bootstrap, DrawsAsManyRowsAsThereAre) {
  double sum = 0;
  for (std::size_t number = 0; number < 400; ++number) {
    const auto counts = resample_counts(1, number, 50);
    double all = 0;
    for (const double count : counts) all += count;
    EXPECT_EQ(all, 50);
    sum += counts[7];
  }
  EXPECT_NEAR(sum / 400, 1, 0.2);
  EXPECT_NE(resample_counts(1, 0, 50), resample_counts(1, 1, 50));
}

TEST(Bootstrap, QuantilesInterpolateLinearly) {
  const auto [low, high] = percentile_interval({4, 0, 1, 3, 2}, 0.9);
  EXPECT_NEAR(low, 0.2, 1e-12);
  EXPECT_NEAR(high, 3.8, 1e-12);
}

TEST(ReferenceData, OfOurOwnFolderIsWhole) {
  const auto data = read_reference_data(posix_filesystem(), EXPO_SOURCE_DIR "/data/alpaca_eval");
  EXPECT_EQ(data.difficulties.size(), 805u);
  EXPECT_EQ(data.gamed.rows.size(), 2 * 805u);
  EXPECT_TRUE(data.gamed.preferences.empty());
}

TEST(ReferenceData, RefusesDamagedFilesByRow) {
  MemoryFilesystem files;
  const auto message = [&](const std::string& rows) {
    files.write_text("/o/df_gamed.csv",
                     "model,index,preference,std_delta_len,instruction_difficulty,"
                     "not_gamed_baseline\n" +
                         rows);
    return refusal(ErrorCategory::input, [&] { read_reference_data(files, "/s", "/o"); });
  };
  files.create_directory("/s");
  files.create_directory("/o");
  files.write_text("/s/gamed_sums.csv", "feature,sum\nlength,-1\ndifficulty,2\n");
  files.write_text("/s/gamed_baselines.csv",
                   "index,len_baseline,len_verbose,len_concise\n0,5,9,1\n1,6,8,2\n");
  files.write_text("/s/instruction_difficulty.csv", "index,instruction_difficulty\n0,1\n1,-1\n");
  EXPECT_TRUE(contains(message("a,0,0.5,1,2,False\n"), "there is no row with the index 1"));
  EXPECT_TRUE(contains(message("a,0,1.5,1,2,False\n"), ":2: preference is 1.5"));
  EXPECT_TRUE(contains(message("a,0,0.5,1,2,True\n"), ":2: not_gamed_baseline is \"True\""));
  EXPECT_TRUE(contains(message("a,2,0.5,1,2,False\n"), ":2: index is 2; expected less than 2"));
  EXPECT_TRUE(contains(message("a,0,0.5,1,,False\n"), ":2: instruction_difficulty is \"\""));
  files.write_text("/o/df_gamed.csv",
                   "index,preference,std_delta_len,instruction_difficulty,"
                   "not_gamed_baseline\n0,0.5,1,2,False\n1,,3,4,False\n");
  const auto data = read_reference_data(files, "/s", "/o");
  EXPECT_EQ(data.difficulties, (std::vector<double>{2, 4}));
  EXPECT_EQ(data.gamed.rows.size(), 1u);
  EXPECT_DOUBLE_EQ(data.gamed.sums[0], 0.5 * std::tanh(1.0));
  files.write_text("/s/instruction_difficulty.csv", "index,instruction_difficulty\n1,1\n0,-1\n");
  EXPECT_TRUE(contains(message(""), "instruction_difficulty.csv:2: index is 1; expected 0"));
}

}  // namespace
}  // namespace expo
