#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <iterator>
#include <memory>
#include <set>

#include "expo/cli/arguments/help_sections.h"
#include "expo/cli/command.h"
#include "expo/cli/options/answering_options.h"
#include "expo/cli/options/engine_word.h"
#include "expo/cli/options/model_options.h"
#include "expo/cli/options/output_options.h"
#include "expo/cli/options/row_options.h"
#include "expo/cli/options/search_settings.h"
#include "expo/cli/run_page.h"
#include "expo/cli/search_judge.h"
#include "expo/cli/search_policy.h"
#include "expo/cli/search_writing.h"
#include "expo/cli/text/search_text.h"
#include "expo/cli/text/terminal_progress.h"
#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/core/version.h"
#include "expo/engine/answer_settings.h"
#include "expo/engine/generation_job.h"
#include "expo/search/live/engine_turns.h"
#include "expo/search/run/development_prompts.h"
#include "expo/search/run/live_search.h"
#include "expo/search/run/search_data.h"
#include "expo/search/run/search_models.h"
#include "expo/search/run/search_scorers.h"
#include "expo/search/run/training_overlap.h"
#include "expo/session/session_log.h"

namespace expo {
namespace {

struct Options {
  std::string sft;
  ModelOptions model;  ///< ALIGNED
  RowOptions rows;
  std::string write;
  SearchSettings search;
  ExtrapolationOptions extrapolation;
  AnsweringOptions answering = answering_of_the_paper();
  MachineOptions machine;
};

class SearchCommand {
 public:
  SearchCommand(Options options, const CommandContext& context)
      : options_(std::move(options)),
        context_(context),
        policy_(options_.search, options_.model, options_.machine, options_.sft, context),
        engines_([&context](const EmbeddedSpec& spec, bool is_again) {
          return is_again ? context.reopen_engine(spec) : context.open_engine(spec);
        }) {}

  void run() {
    check_options();
    read_data();
    take_models();
    take_data();
    SearchFolder folder(posix_filesystem(), options_.rows.output, inputs_);
    if (!folder.earlier()) {
      for (AnswerScorer* scorer : scorers_.list()) scorer->check(search_.prompts);
    }
    const SearchWriting writing(options_.write, options_.sft, models_, context_);
    if (!folder.finished()) writing.check(folder, models().aligned, search_.alphas.back());
    folder.begin(settings());
    std::filesystem::path shown;
    if (folder.finished()) shown = std::filesystem::path(options_.rows.output) / "search.json";
    const Json result = result_in(folder);
    const std::string page = write_run_page(options_.rows.output, shown, context_);
    std::cout << (options_.rows.json ? format_json(result) : describe_search(result));
    writing.write(result, options_.rows.json ? std::cerr : std::cout);
    (options_.rows.json ? std::cerr : std::cout) << page;
  }

 private:
  void check_options() {
    if (options_.rows.output.empty())
      throw usage_error("search: no folder is named for the result; give -o RUN");
    objective_ = options_.search.chosen_objective();
    if (options_.rows.data.empty() != by_pairs()) {
      throw usage_error(by_pairs() ? "search: --pairs is the data of --objective preference; leave "
                                     "DATA out"
                                   : "search: no development prompts are named; give DATA");
    }
    if (options_.search.dpo_beta)
      search_.preference = {PreferenceMeasure::dpo_loss, *options_.search.dpo_beta};
    search_.alphas = options_.search.alpha_list();
    search_.run = options_.search.run_options();
    drop_unused_filters(options_.answering.sampling);
    search_.run.seed = options_.answering.sampling.seed;
    search_.live = {options_.answering.answer(), options_.answering.samples,
                    options_.search.second.names()};
    const auto contenders = static_cast<std::size_t>(
        std::ranges::count_if(search_.alphas, [](double alpha) { return alpha >= 0; }));
    check(search_.live.answer, search_.live.samples);
    check_token_budget(search_.run, contenders * models().aligned.size(), search_.live.samples);
    options_.extrapolation.check_rounding_words();
    policy_spec_ = options_.model.embedded_spec(options_.extrapolation, options_.machine);
    moment_ = search_moment(posix_filesystem(), options_.rows.output);
    policy_spec_.moment = moment_;
    policy_.check(models(), objective_, policy_spec_);
    prepare();
  }

  /// Goes on as the program that the models need, before anything is read.
  void prepare() const {
    policy_.prepare(policy_spec_);
    for (const AnswerObjective& each : options_.search.answer_objectives()) {
      if (each.kind == AnswerObjective::Kind::reward) context_.prepare(reward_spec(each.source));
    }
  }

  SearchModels models() const {
    SearchModels models{options_.sft,
                        {options_.model.model},
                        options_.search.baseline,
                        {},
                        options_.search.one_at_a_time};
    for (const AnswerObjective& each : options_.search.answer_objectives()) {
      if (each.kind != AnswerObjective::Kind::reward) continue;
      const EngineSpec spec = reward_spec(each.source);
      if (const auto* here = std::get_if<EmbeddedSpec>(&spec))
        models.rewards.push_back(here->model);
    }
    std::ranges::copy(options_.search.also, std::back_inserter(models.aligned));
    return models;
  }

  /// Diagnoses the pairs, fixes type and rounding for all α, and opens the engines.
  void take_models() {
    SearchModels models = this->models();
    models.policy = policy_.served(policy_spec_);
    models_ = open_models(posix_filesystem(), hugging_face_environment(), models, policy_spec_,
                          search_.alphas, engines_, context_.cancellation);
    inputs_ = models_.inputs;
    inputs_.emplace_back(options_.rows.data);
    search_.warnings = models_.warnings;
    search_.keeps = models_.keeps;
    search_.effect = models_.effect;
    search_.run.models = models.aligned;
    search_.baseline_policy = models_.baseline;
    search_.rival = models_.rival.get();
    if (search_.rival != nullptr) {
      search_.rival_name = models.baseline;
      search_.run.models.push_back(models.baseline);
    }
    open_scorers();
  }

  bool by_pairs() const { return objective_ == Objective::preference; }

  void open_scorers() {
    if (const auto caution = caution_of(objective_); !caution.empty())
      search_.warnings.emplace_back(caution);
    const auto open = [this](const std::string& model) {
      const EngineSpec spec = reward_spec(model);
      const auto* here = std::get_if<EmbeddedSpec>(&spec);
      // A server's takes no memory here, so it takes no turns.
      auto engine = here ? engines_.open(*here) : context_.open_engine(spec);
      std::ranges::move(engine->sources(), std::back_inserter(inputs_));
      return engine;
    };
    scorers_.open(
        options_.search.answer_objectives(),
        {open, *models_.aligned.front(), posix_filesystem(), options_.search.scorer_timeout,
         context_.cancellation, judge_opener(options_.search.judge, options_.rows.output)});
    std::ranges::move(scorers_.warnings(), std::back_inserter(search_.warnings));
  }

  EngineSpec reward_spec(const std::string& model) const {
    return spec_of_model(model, "--reward-model", options_.machine, options_.model.server, moment_);
  }

  SearchDataOptions data_options() const {
    return {options_.rows.data, options_.model.system, options_.rows.skip_too_long};
  }

  void read_data() {
    if (by_pairs()) options_.rows.data = options_.search.pairs;
    const auto reader = open_first_rows(posix_filesystem(), options_.rows);
    const Columns columns{.prompt = options_.rows.prompt_column, .id = options_.rows.id_column};
    data_ = by_pairs() ? read_search_pairs(*reader, columns)
                       : read_search_prompts(*reader, columns, data_options());
  }

  /// Hands the search the data that all engines can take.
  void take_data() {
    take_fitting(data_, models_.engines(), data_options());
    std::ranges::move(data_.warnings, std::back_inserter(search_.warnings));
    search_.prompts = std::move(data_.prompts);
    search_.pairs = std::move(data_.pairs);
    search_.split = std::move(data_.split);
  }

  /// Whether a template is told the moment.
  bool asks_for_time() const {
    std::vector<Engine*> engines = models_.engines();
    for (const auto& engine : scorers_.engines()) engines.push_back(engine.get());
    return std::ranges::any_of(engines, [](const Engine* engine) {
      return engine->describe().identity.contains("moment");
    });
  }

  static Json unmoved_identity(const Engine& policy) {
    Json identity = policy.describe().identity;
    identity.erase("alpha");
    return identity;
  }

  /// All that a search in this folder depends on.
  Json settings() const {
    Json models = Json::array();
    for (const auto& policy : models_.aligned) models.push_back(unmoved_identity(*policy));
    Json baseline;
    if (models_.baseline) baseline = models[*models_.baseline];
    if (models_.rival) baseline = models_.rival->describe().identity;
    Json settings = {
        {"expo", std::string(version())},
        {"model", models.front()},
        {"also", Json(models.begin() + 1, models.end())},
        {"baseline", std::move(baseline)},
        {"scorer", scorers_.identity()},
        {"second", scorers_.further_identities()},
        {"prompts",
         {{"rows", search_.prompts.size() + search_.pairs.size()},
          {"digest", data_.digest},
          {"columns", scorers_.has_program() ? Json(columns_digest(search_.prompts)) : Json()}}},
        {"samples", search_.live.samples},
        {"answers", answer_settings(search_.live.answer)},
        {"search", options_.search.to_json()}};
    if (asks_for_time()) settings["moment"] = moment_;
    return settings;
  }

  /// The result of the search in the folder, which is carried out unless it is finished.
  Json result_in(SearchFolder& folder) {
    if (std::optional<Json> finished = folder.finished()) {
      print_notes({fmt::format("{}: the search is finished already, and its result is shown again",
                               options_.rows.output)});
      return *std::move(finished);
    }
    warn_of_training_data();
    print_warnings(search_.warnings);
    print_notes({models_.setting.reason,
                 fmt::format("{} choose α, {} others confirm it", search_.split.choosing.size(),
                             search_.split.confirming.size())});
    if (objective_ == Objective::judge) print_notes({judge_costs(options_.search.judge, search_)});
    search_.facts = facts();
    announce();
    const SessionLog log(posix_filesystem(), options_.rows.output, session());
    if (!log.warning().empty()) print_warnings({log.warning()});
    TerminalRowProgress progress;
    try {
      const LiveRun run{posix_filesystem(), folder, &progress, context_.cancellation};
      const std::vector<Policy> policies = models_.policies();
      const Json result = by_pairs() ? search_by_pairs(run, policies, search_)
                                     : search_by_answers(run, policies, scorers_.list(), search_);
      const auto warnings = result.at("warnings").get<std::vector<std::string>>();
      print_warnings({warnings.begin() + static_cast<std::ptrdiff_t>(search_.warnings.size()),
                      warnings.end()});
      print_incidents();
      return result;
    } catch (const Error& error) {
      // Wrong use is wrong again when it is repeated.
      const char* advice = error.category() == ErrorCategory::usage
                               ? "a command with other settings needs another folder"
                               : "the same command goes on from there";
      throw Error(error.category(), fmt::format("{}; what is finished is kept in {}: {}",
                                                error.what(), options_.rows.output, advice));
    }
  }

  /// What happened to servers, which several of the models may have in common.
  void print_incidents() const {
    std::set<std::string> seen;
    for (const Engine* engine : models_.engines()) {
      for (const std::string& incident : engine->incidents()) {
        if (seen.insert(incident).second) print_warnings({incident});
      }
    }
  }

  Session session() const {
    const Json facts = models_.aligned.front()->describe().facts;
    Session session{context_.command_line};
    if (facts.value("instructions", Json()).is_string())
      session.instructions = facts.at("instructions").get<std::string>();
    session.device = facts.value("device", "");
    session.started = started_;
    return session;
  }

  /// Prompts that an ALIGNED checkpoint was trained on say little of others.
  void warn_of_training_data() {
    std::vector<AskedPrompt> asked;
    for (const Prompt& prompt : search_.prompts)
      asked.push_back({prompt.chat.messages, prompt.place});
    for (const Preference& pair : search_.pairs)
      asked.push_back({pair.prompt.messages, pair.place});
    for (const std::string& model : models().aligned) {
      std::ranges::move(overlap_warnings(posix_filesystem(), model, asked),
                        std::back_inserter(search_.warnings));
      for (const auto& engine : scorers_.engines()) {
        std::ranges::move(teacher_warnings(posix_filesystem(), model, engine->sources()),
                          std::back_inserter(search_.warnings));
      }
    }
  }

  /// Makes the search tell of its progress.
  void announce() {
    search_.run.on_look = [this](const Look& look, std::size_t number,
                                 const std::vector<Candidate>& candidates) {
      print_notes({describe(look, number, candidates, options_.search.token_budget)});
    };
    search_.run.on_collapsed = [](const Collapsed& collapsed, const std::vector<Candidate>& all) {
      print_notes({fmt::format("{} is dropped: {}", all.at(collapsed.candidate).label,
                               describe_collapse(to_json(collapsed)))});
    };
    search_.run.on_confirming = [this](const Candidate& chosen, const Candidate& baseline,
                                       std::size_t prompts) {
      const bool is_alone = search_.rival != nullptr && options_.search.also.empty();
      print_notes({fmt::format("{}{} is compared with {} on {} that chose nothing",
                               is_alone ? options_.model.model + " at " : "", chosen.label,
                               baseline.label, counted(prompts, "prompt"))});
    };
  }

  Json facts() const {
    return {{"expo", std::string(version())},
            {"sft", options_.sft},
            {"aligned", options_.model.model},
            {"also", options_.search.also},
            {"data", options_.rows.data},
            {"scorer", by_pairs() ? "preference pairs" : scorers_.list().front()->name()},
            {"second", scorers_.further_names()},
            {"setting", to_json(models_.setting)},
            {"on_mismatch", mismatch_policy_name(models_.spec.on_mismatch)},
            {"samples", search_.live.samples},
            {"answers", answer_settings(search_.live.answer)},
            {"search", options_.search.to_json()},
            {"engine", models_.aligned.front()->describe().facts}};
  }

  Options options_;
  const CommandContext& context_;
  const SearchPolicy policy_;
  Objective objective_ = Objective::reward;
  EmbeddedSpec policy_spec_;
  std::int64_t moment_ = 0;
  EngineTurns engines_;
  OpenedModels models_;
  SearchScorers scorers_;
  LiveSearch search_;
  SearchData data_;  ///< until the search has it
  std::vector<std::filesystem::path> inputs_;
  const std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
};

void declare_files(CLI::App& command, Options& options) {
  command.option_defaults()->group(help_section::kInputAndOutput);
  command.add_option("DATA", options.rows.data,
                     "Development prompts: a .jsonl, .json or .parquet, or a data set's folder");
  command
      .add_option("-o,--output", options.rows.output,
                  "Folder of the search; the same command goes on with what is in it")
      ->type_name("RUN");
  command
      .add_option("--write", options.write,
                  "Checkpoint folder to write with the α that is recommended, if it is not 0")
      ->type_name("OUT");
  command.add_flag("--json", options.rows.json, "Print the result as one JSON object");
  options.rows.declare_reading(command);
}

}  // namespace

std::function<void(const CommandContext&)> declare_search(CLI::App& program) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand(
      "search",
      "Find α on development prompts, and test its gain on prompts that did not choose it");
  command->option_defaults()->group(help_section::kModel);
  command
      ->add_option("SFT", options->sft,
                   "θ_sft: a folder, a file, a Hugging Face id in the cache, or BASE+ADAPTER")
      ->required();
  command
      ->add_option("ALIGNED", options->model.model,
                   "θ, trained from SFT by DPO or RLHF; may be a PEFT LoRA adapter over SFT")
      ->required();
  options->model.declare_conversation(*command);
  options->model.server.declare(*command);
  options->model.server.declare_sampling(*command);
  options->model.staging.declare(*command);
  declare_files(*command, *options);
  options->search.declare(*command);
  options->extrapolation.declare_rounding(
      *command,
      "How weights are rounded, the same for all α: auto (default: to nearest if that keeps each α "
      "in the running type or in float32, otherwise stochastically), nearest or stochastic");
  options->answering.declare(*command, {.samples = "--n,--samples"});
  options->machine.declare(*command, "Most answers generated at the same time; default: 64");
  options->machine.declare_cache(*command);
  command->footer("Example:\n  expo search SFT ALIGNED dev.jsonl --reward-model RM -o RUN");
  return [options, command](const CommandContext& context) {
    options->search.check_unused(*command);
    SearchCommand(*options, context).run();
  };
}

}  // namespace expo
