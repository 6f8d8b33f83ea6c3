#include <fmt/format.h>

#include <optional>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/report/answer_columns.h"
#include "expo/report/prompt_columns.h"
#include "expo/report/run_files.h"
#include "expo/report/run_source.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSchema = "expo-search-1";

/// The member that a path of keys leads to; null if it leads nowhere.
Json member(const Json& json, std::initializer_list<const char*> keys) {
  const Json* place = &json;
  for (const char* key : keys) {
    if (!place->is_object() || !place->contains(key)) return {};
    place = &place->at(key);
  }
  return *place;
}

AnswerColumns::Limit answer_limit(const Json& settings) {
  const Json answers = member(settings, {"settings", "answers"});
  if (!answers.is_object() || !answers.contains("max_new_tokens")) return {};
  const Json& limit = answers.at("max_new_tokens");
  if (limit.is_null()) return {true, std::nullopt};
  if (!limit.is_number_unsigned()) return {};
  return {true, limit.get<std::uint64_t>()};
}

class SearchSource final : public RunSource {
 public:
  SearchSource(Filesystem& filesystem, const fs::path& folder, Json settings,
               const CancellationToken& cancellation)
      : filesystem_(filesystem), folder_(folder), settings_(std::move(settings)) {
    read_result();
    sessions_ = read_sessions(filesystem_, folder_, missing_);
    read_prompts();
    answers_.emplace(filesystem_, folder_ / "answers.jsonl", answer_limit(settings_), prompts_,
                     missing_, cancellation);
    tell_of_answers();
  }

  std::string_view kind() const override { return "search"; }
  std::string_view noun() const override { return "a search"; }

  void write(ObjectOutput& run, const TextSink& sink) override {
    run.add("result", result_);
    run.add("settings", settings_);
    run.add("sessions", sessions_);
    run.begin("looks");
    if (!copy_lines(filesystem_, {folder_ / "trace.jsonl"}, sink, missing_))
      missing_.emplace_back("There is no trace.jsonl: no look was made yet.");
    run.begin("prompts");
    prompts_.write(sink);
    run.add("labels", answers_->labels());
    run.begin("answers");
    answers_->write(sink);
  }

 private:
  void read_result() {
    const fs::path path = folder_ / "search.json";
    result_ = read_json_file(filesystem_, path);
    if (settings_.is_null())
      missing_.emplace_back("There is no run.json: what was asked is known from the result only.");
    if (result_.is_null()) {
      missing_.emplace_back(
          "There is no search.json: the search is not finished, so there is no verdict yet.");
      return;
    }
    const Json schema = member(result_, {"schema"});
    if (schema == kSchema) return;
    throw input_error(fmt::format(
        "{}: has the schema {}, but this version of expo reads \"{}\"; make the page with the "
        "version that made the search",
        path.string(), compact_json(schema), kSchema));
  }

  void read_prompts() {
    const auto take_prompt = [this](const Json& line, const LineReader::Line&) {
      prompts_.take_prompt(line);
    };
    if (read_lines_of(filesystem_, {folder_ / "prompts.jsonl"}, take_prompt, missing_)) return;
    missing_.emplace_back(
        "There is no prompts.jsonl, as in runs of earlier versions: only the prompts of "
        "samples.jsonl are known.");
    read_lines_of(
        filesystem_, {folder_ / "samples.jsonl"},
        [this](const Json& line, const LineReader::Line&) { prompts_.take_sample(line); },
        missing_);
  }

  bool is_by_pairs() const {
    return member(settings_, {"settings", "search", "objective"}) == "preference" ||
           member(result_, {"search", "objective"}) == "preference";
  }

  void tell_of_answers() {
    if (is_by_pairs()) {
      missing_.emplace_back("The search was by preference pairs, for which nothing is answered.");
      return;
    }
    if (!answers_->is_there() || answers_->size() == 0) {
      missing_.emplace_back("There are no answers yet.");
    }
    if (prompts_.unknown() > 0) {
      missing_.push_back(fmt::format("The text of {} that were answered is not known.",
                                     counted(prompts_.unknown(), "prompt")));
    }
    if (answers_->cut() > 0) {
      missing_.push_back(fmt::format("{} that the screening cut short are left out.",
                                     counted(answers_->cut(), "answer")));
    }
    if (answers_->unscored() > 0) {
      missing_.push_back(
          fmt::format("{} without a score so far.", counted(answers_->unscored(), "answer")));
    }
  }

  Filesystem& filesystem_;
  fs::path folder_;
  Json settings_;
  Json result_;
  Json sessions_;
  PromptColumns prompts_;
  std::optional<AnswerColumns> answers_;
};

}  // namespace

std::unique_ptr<RunSource> open_search(Filesystem& filesystem, const fs::path& folder,
                                       Json settings, const CancellationToken& cancellation) {
  return std::make_unique<SearchSource>(filesystem, folder, std::move(settings), cancellation);
}

}  // namespace expo
