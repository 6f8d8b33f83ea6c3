#include "expo/cli/options/search_settings.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>

#include "expo/cli/arguments/help_sections.h"
#include "expo/cli/arguments/number_checks.h"
#include "expo/cli/arguments/repeatable.h"
#include "expo/cli/arguments/unused_options.h"
#include "expo/cli/options/engine_word.h"
#include "expo/cli/options/server_options.h"
#include "expo/cli/options/staging_options.h"
#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/search/live/answer_measures.h"
#include "expo/search/run/alpha_list.h"

namespace expo {
namespace {

Objective parse_objective(const std::string& word) {
  for (const Objective each : {Objective::reward, Objective::command, Objective::implicit,
                               Objective::judge, Objective::preference}) {
    if (word == objective_name(each)) return each;
  }
  throw usage_error(fmt::format(
      "--objective: '{}' is not known; expected reward, command, judge, implicit or preference",
      on_one_line(word)));
}

void declare_objective(CLI::App& command, SearchSettings& settings) {
  command
      .add_option("--objective", settings.objective,
                  "What decides: reward, command, judge (which compares answers with the "
                  "baseline's), implicit (the pair's own log-probabilities) or preference (pairs, "
                  "without answers), the last two proxies; default: by what is given")
      ->type_name("KIND");
  command
      .add_option("--reward-model", settings.reward_model,
                  "A reward model (…ForSequenceClassification), for --objective reward; also on a "
                  "server: vllm=URL")
      ->type_name("MODEL");
  command
      .add_option("--scorer", settings.scorer,
                  "A program, for --objective command: a JSON line with prompt, answer and the "
                  "row's columns in, a line with a number out")
      ->type_name("COMMAND");
  command
      .add_option("--scorer-timeout", settings.scorer_timeout,
                  "Longest silence of a program, in seconds; default: 300")
      ->check(is_number_from(0.001, 1e6), limits_text(0.001, 1e6))
      ->type_name("SECONDS");
  command
      .add_option("--pairs", settings.pairs,
                  "A data set of preference pairs instead of DATA, for --objective preference")
      ->type_name("FILE");
  command
      .add_option("--dpo-beta", settings.dpo_beta,
                  "Score pairs by DPO's loss with this β instead of accuracy")
      ->type_name("B");
}

void declare_turns(CLI::App& command, SearchSettings& settings) {
  command.add_flag(
      "--one-at-a-time", settings.one_at_a_time,
      "Hold the weights of one model in memory at a time; default: where all do not fit");
}

void declare_choice(CLI::App& command, SearchSettings& settings) {
  command
      .add_option("--alphas", settings.alphas,
                  "α to try, such as 0.1,0.3,0.5, all on all prompts; default: a race over a grid "
                  "to 25")
      ->type_name("LIST");
  command
      .add_option("--strategy", settings.strategy,
                  "race (default), halving or grid (default with --alphas)")
      ->type_name("NAME");
  make_repeatable(command.add_option(
                      "--guard", settings.guards,
                      "What an α may cost: 'length<=1.5x', 'truncated<=0.05' or 'NAME>=-0.1', of a "
                      "further objective; repeatable"),
                  "LIMIT");
  command
      .add_option("--prefer", settings.prefer,
                  "Which of the α that cannot be told apart is taken: best (default) or smallest")
      ->type_name("WHICH");
  make_repeatable(
      command.add_option(
          "--also", settings.also,
          "A further checkpoint trained from the same SFT, such as one after half of the "
          "data, another epoch or learning rate; it competes with α of its own; repeatable"),
      "MODEL");
  command
      .add_option("--baseline", settings.baseline,
                  "Compare the chosen α with this model instead of with ALIGNED")
      ->type_name("MODEL");
  command
      .add_option("--min-gain", settings.min_gain,
                  "The least gain in the mean score that is worth having; default: 0")
      ->type_name("X");
  command
      .add_option("--token-budget", settings.token_budget,
                  "Most tokens to generate, a third of them kept for the confirmation")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 50))
      ->type_name("N");
}

void declare_modules(CLI::App& command, SearchSettings& settings) {
  command.add_flag("--modules", settings.modules,
                   "Then search an α for attention, MLP and the rest, and over the depth, from the "
                   "best α on");
}

void declare_policy(CLI::App& command, SearchSettings& settings) {
  make_repeatable(
      command.add_option("--policy", settings.policy,
                         "A server that answers at each α, vllm=URL or llama-server=URL, while SFT "
                         "and ALIGNED are on this disk; repeatable: the prompts are shared"),
      "KIND=URL");
  command
      .add_option(
          "--policy-key-variable", settings.policy_key_variable,
          "Environment variable that holds the key of the policy's servers; default: no key "
          "is sent")
      ->type_name("NAME");
}

/// Throws for options that pairs need in another way than answers.
void check_preference(Objective objective, const SearchSettings& settings) {
  if (objective != Objective::preference) {
    if (settings.dpo_beta)
      throw usage_error("--dpo-beta applies to --objective preference only; leave it out");
    return;
  }
  if (settings.dpo_beta && !(*settings.dpo_beta > 0 && std::isfinite(*settings.dpo_beta))) {
    throw usage_error(
        fmt::format("--dpo-beta: {:g} is not a β; expected a number above 0", *settings.dpo_beta));
  }
  if (!settings.second.list().empty()) {
    throw usage_error(
        "--objective preference writes no answers that --second-reward-model, --second-scorer or "
        "--second-implicit could score; leave them out");
  }
  if (!settings.guards.empty()) {
    throw usage_error(
        "--guard has no effect with --objective preference, which writes no answers; leave it out");
  }
}

/// Throws if something is given that the objective does not use, or not given that it needs.
void check_data(Objective objective, const SearchSettings& settings) {
  const auto check = [&](Objective owner, const std::string& value, const char* option) {
    if (objective == owner && value.empty()) {
      throw usage_error(fmt::format("--objective {} needs {}", objective_name(objective), option));
    }
    if (objective != owner && !value.empty()) {
      throw usage_error(fmt::format("--objective {} does not use {}; leave one of them out",
                                    objective_name(objective), option));
    }
  };
  check(Objective::reward, settings.reward_model, "--reward-model MODEL");
  check(Objective::command, settings.scorer, "--scorer COMMAND");
  check(Objective::preference, settings.pairs, "--pairs FILE");
  check(Objective::judge, settings.judge.judge, "--judge KIND=URL#NAME");
  check_preference(objective, settings);
  if (objective == Objective::implicit && settings.second.implicit) {
    throw usage_error(
        "--second-implicit would show what decides already; leave it out, or --objective implicit");
  }
}

/// Throws for options about servers that are not asked.
void check_servers(bool of_rewards, bool of_policy, const CLI::App& command) {
  if (!of_rewards) {
    refuse_given(command, {"--tokenizer", "--key-variable"},
                 "on a reward model that runs here, not on a server");
    if (!of_policy)
      ServerOptions().check_unused(command, "on a model that runs here, not on a server");
  }
  if (of_policy) {
    refuse_given(command, {"--device", "--deterministic", "--cache-size"},
                 "with --policy, whose server runs models in its own way");
    return;
  }
  refuse_given(command, {"--policy-key-variable", "--allow-other-sampling"},
               "without --policy: the policy runs here");
  StagingOptions::check_unused(command, "without --policy: the policy runs here");
}

}  // namespace

std::string_view objective_name(Objective objective) {
  switch (objective) {
    case Objective::reward:
      return "reward";
    case Objective::command:
      return "command";
    case Objective::implicit:
      return "implicit";
    case Objective::judge:
      return "judge";
    case Objective::preference:
      break;
  }
  return "preference";
}

std::string_view caution_of(Objective objective) {
  if (objective == Objective::preference)
    return "preference pairs are a proxy: they show whether a model finds good answers more "
           "likely, "
           "not whether it writes them";
  if (objective == Objective::implicit)
    return "the pair's own log-probabilities are a proxy: they grow with what training has "
           "changed, "
           "whether that was good or not";
  return {};
}

void SearchSettings::declare(CLI::App& command) {
  command.option_defaults()->group(help_section::kSearch);
  declare_objective(command, *this);
  second.declare(command);
  declare_choice(command, *this);
  declare_policy(command, *this);
  declare_turns(command, *this);
  declare_modules(command, *this);
  judge.declare(command);
}

std::optional<EngineWord> SearchSettings::policy_servers() const {
  std::optional<EngineWord> all;
  for (const std::string& word : policy) {
    EngineWord one = parse_engine_word(word, "--policy");
    if (!one.server || *one.server == ServerKind::openai) {
      throw usage_error(
          fmt::format("--policy: {} is no server that can move to another α; expected vllm=URL or "
                      "llama-server=URL",
                      on_one_line(word)));
    }
    if (!all) {
      all = std::move(one);
      continue;
    }
    if (all->server != one.server || all->served != one.served) {
      throw usage_error(
          "--policy: the servers of one policy are of one kind, and serve one model by one name");
    }
    all->further.push_back(one.where);
    all->further.insert(all->further.end(), one.further.begin(), one.further.end());
  }
  return all;
}

Objective SearchSettings::chosen_objective() const {
  const auto given = std::ranges::count_if(
      std::initializer_list<const std::string*>{&reward_model, &scorer, &pairs, &judge.judge},
      [](const std::string* each) { return !each->empty(); });
  if (objective.empty() && given == 0) {
    throw usage_error(
        "search: nothing says how answers are scored; give --reward-model MODEL, --scorer COMMAND, "
        "--judge KIND=URL#NAME, --pairs FILE or --objective implicit");
  }
  if (objective.empty() && given > 1) {
    throw usage_error(
        "search: of --reward-model, --scorer, --judge and --pairs more than one is given; give one "
        "of them");
  }
  const Objective chosen = !objective.empty()      ? parse_objective(objective)
                           : !reward_model.empty() ? Objective::reward
                           : !scorer.empty()       ? Objective::command
                           : !judge.judge.empty()  ? Objective::judge
                                                   : Objective::preference;
  check_data(chosen, *this);
  return chosen;
}

void SearchSettings::check_unused(const CLI::App& command) const {
  const Objective chosen = chosen_objective();
  if (chosen != Objective::command && second.scorers.empty())
    refuse_given(command, {"--scorer-timeout"}, "without --scorer, whose silence it limits");
  const bool asks_server = std::ranges::any_of(answer_objectives(), [](const auto& each) {
    return each.kind == AnswerObjective::Kind::reward &&
           parse_engine_word(each.source, "--reward-model").server;
  });
  check_servers(asks_server, !policy.empty(), command);
  if (chosen == Objective::judge) {
    judge.judge_options();
  } else {
    JudgeServerOptions::check_unused(command, "without --judge");
  }
  if (chosen != Objective::preference) return;
  refuse_given(command,
               {"--n", "--temperature", "--top-k", "--top-p", "--min-p", "--presence-penalty",
                "--frequency-penalty", "--repetition-penalty", "--max-new-tokens", "--stop",
                "--stop-token-id", "--ignore-eos", "--batch-size", "--cache-size"},
               "with --pairs, for which no answers are generated");
}

std::vector<AnswerObjective> SearchSettings::answer_objectives() const {
  using Kind = AnswerObjective::Kind;
  std::vector<AnswerObjective> all = second.list();
  const Objective chosen = chosen_objective();
  if (chosen == Objective::reward) all.insert(all.begin(), {Kind::reward, "", reward_model});
  if (chosen == Objective::command) all.insert(all.begin(), {Kind::command, "", scorer});
  if (chosen == Objective::implicit) all.insert(all.begin(), {Kind::implicit, "", ""});
  if (chosen == Objective::judge) all.insert(all.begin(), {Kind::judge, "", ""});
  return all;
}

std::vector<double> SearchSettings::alpha_list() const {
  return alphas.empty() ? default_alphas() : parse_alphas(alphas);
}

SearchRunOptions SearchSettings::run_options() const {
  SearchRunOptions run;
  run.strategy = !strategy.empty() ? strategy_named(strategy)
                 : alphas.empty()  ? Strategy::race
                                   : Strategy::grid;
  run.prefer = preference_named(prefer);
  const std::vector<Measure> further = measures_of_answers(second.names());
  for (const std::string& text : guards) run.guards.push_back(parse_guard(text, further));
  if (!std::isfinite(min_gain) || min_gain < 0) {
    throw usage_error(
        fmt::format("--min-gain: {:g} is not a gain; expected a number from 0 on", min_gain));
  }
  run.min_gain = min_gain;
  run.tokens = token_budget;
  run.modules = modules;
  return run;
}

Json SearchSettings::to_json() const {
  const SearchRunOptions run = run_options();
  return {{"objective", objective_name(chosen_objective())},
          {"dpo_beta", dpo_beta ? Json(*dpo_beta) : Json()},
          {"strategy", strategy_name(run.strategy)},
          {"alphas", alpha_list()},
          {"guards", guards},
          {"prefer", prefer},
          {"min_gain", min_gain},
          {"modules", modules},
          {"token_budget", token_budget ? Json(*token_budget) : Json()}};
}

}  // namespace expo
