#include "expo/engine/generation_job.h"

#include <algorithm>

#include "expo/core/error.h"
#include "expo/core/version.h"
#include "expo/engine/answer_settings.h"
#include "expo/engine/conversations.h"
#include "expo/engine/kept_rows.h"
#include "expo/engine/row_progress_span.h"

namespace expo {
namespace {

Json result_of(const Answer& answer) {
  return {{"text", answer.text},
          {"finish_reason", answer.finish == FinishReason::length ? "length" : "stop"},
          {"tokens", answer.tokens}};
}

void check_drawing(const SamplingOptions& sampling, std::uint32_t samples) {
  if (sampling.temperature > 0) return;
  if (samples > 1) {
    throw usage_error(
        "at temperature 0 all samples of a prompt are the same; give a --temperature above 0, or "
        "--n 1");
  }
  if (sampling.top_k > 0 || sampling.top_p < 1 || sampling.min_p > 0) {
    throw usage_error(
        "--top-k, --top-p and --min-p have no effect at temperature 0, where nothing is drawn; "
        "give a --temperature above 0, or leave them out");
  }
}

class Job {
 public:
  Job(Filesystem& filesystem, Engine& engine, const std::vector<Prompt>& prompts,
      const GenerationJob& job, const std::function<void(const Json&)>& emit)
      : engine_(engine),
        prompts_(prompts),
        job_(job),
        emit_(emit),
        kept_(filesystem, engine, job.output) {}

  GenerationReport run(RowProgress* progress, const CancellationToken& cancellation) {
    check(job_);
    known_ = engine_.describe().warnings;
    collect();
    kept_.open(settings());
    if (const Json* record = kept_.complete()) return of_complete(record->at("results"));
    report_.resumed = kept_.all().size();
    for (const auto& [number, result] : kept_.all()) count(result);
    kept_.guard([&] {
      answer(progress, cancellation);
      report_.engine = engine_.describe();
      for (std::string& warning : report_.engine.warnings_beyond(known_))
        report_.warnings.push_back(std::move(warning));
      if (!kept_.gives_out()) kept_.commit(rows(), record(), cancellation);
    });
    return std::move(report_);
  }

 private:
  GenerationReport of_complete(const Json& results) {
    report_.was_complete = true;
    report_.resumed = report_.answers;
    report_.truncated = results.at("truncated").get<std::uint64_t>();
    report_.tokens = results.at("tokens").get<std::uint64_t>();
    report_.engine = engine_.describe();
    return std::move(report_);
  }

  /// The prompts that fit, as conversations.
  void collect() {
    std::vector<Conversation> all;
    for (const Prompt& prompt : prompts_) {
      check_columns(job_.format, prompt);
      all.push_back({with_system(prompt.chat, job_.system), prompt.id, prompt.place});
    }
    const Fitting fitting = choose_fitting(all, engine_.count_tokens(all),
                                           engine_.describe().context, 1, job_.skip_too_long);
    for (const std::size_t index : fitting.kept) {
      chosen_.push_back(index);
      conversations_.push_back(std::move(all[index]));
    }
    report_.warnings = describe_skipped(fitting, fitting.skipped.size());
    report_.skipped = fitting.skipped.size();
    report_.prompts = chosen_.size();
    report_.answers = chosen_.size() * job_.samples;
    report_.output = job_.output.file;
  }

  Json settings() const {
    return {{"expo", version()},
            {"model", engine_.describe().identity},
            {"prompts", {{"rows", conversations_.size()}, {"digest", digest_of(conversations_)}}},
            {"samples", job_.samples},
            {"answers", answer_settings(job_.answer)},
            {"format", answer_format_name(job_.format)},
            {"as_array", job_.output.as_array},
            {"generator", job_.generator}};
  }

  void answer(RowProgress* progress, const CancellationToken& cancellation) {
    std::vector<AnswerTask> tasks;
    for (std::size_t prompt = 0; prompt < chosen_.size(); ++prompt) {
      for (std::uint32_t sample = 0; sample < job_.samples; ++sample) {
        if (!kept_.contains(prompt * job_.samples + sample)) tasks.push_back({prompt, sample});
      }
    }
    if (tasks.empty()) return;
    RowProgressSpan span(progress, "answering", tasks.size());
    const auto advance = [&](std::uint64_t tokens) { span.advance_tokens(tokens); };
    const auto sink = [&](const Answer& answer) {
      take(answer);
      span.advance_rows(1);
    };
    report_.run = engine_.answer(conversations_, tasks, job_.answer, sink, advance, cancellation);
  }

  void take(const Answer& answer) {
    const std::uint64_t number = answer.task.prompt * job_.samples + answer.task.sample;
    Json result = result_of(answer);
    count(result);
    kept_.take(std::vector{KeptRows::Row{number, std::move(result)}});
    if (!kept_.gives_out()) return;
    for (; kept_.contains(emitted_); ++emitted_) emit_(row(emitted_));
  }

  void count(const Json& result) {
    report_.truncated += result.at("finish_reason") == "length" ? 1 : 0;
    report_.tokens += result.at("tokens").get<std::uint64_t>();
  }

  Json row(std::uint64_t number) const {
    const std::size_t prompt = number / job_.samples;
    return answer_row(job_.format, prompts_[chosen_[prompt]], conversations_[prompt].chat.messages,
                      static_cast<std::uint32_t>(number % job_.samples), kept_.at(number),
                      job_.generator);
  }

  std::vector<Json> rows() const {
    std::vector<Json> all;
    for (std::uint64_t number = 0; number < report_.answers; ++number) all.push_back(row(number));
    return all;
  }

  /// The record holds enough to repeat the run, and is the same whether the run was interrupted or
  /// not.
  Json record() const {
    return {{"expo", version()},
            {"command", "generate"},
            {"settings", settings()},
            {"engine", report_.engine.facts},
            {"results",
             {{"prompts", report_.prompts},
              {"skipped", report_.skipped},
              {"answers", report_.answers},
              {"truncated", report_.truncated},
              {"tokens", report_.tokens}}}};
  }

  Engine& engine_;
  const std::vector<Prompt>& prompts_;
  const GenerationJob& job_;
  const std::function<void(const Json&)>& emit_;
  std::vector<std::size_t> chosen_;  ///< indices into prompts_
  std::vector<Conversation> conversations_;
  KeptRows kept_;
  std::uint64_t emitted_ = 0;
  std::vector<std::string>
      known_;  ///< the engine's warnings before the run, which the caller has seen
  GenerationReport report_;
};

}  // namespace

void check(const AnswerOptions& options, std::uint32_t samples) {
  check(options.sampling);
  if (std::ranges::any_of(options.stop.strings, &std::string::empty))
    throw usage_error("a stop string is empty, which would end every answer at once");
  check_drawing(options.sampling, samples);
}

void check(const GenerationJob& job) {
  check(job.answer, job.samples);
  if (job.samples > 1 && job.format == AnswerFormat::alpaca) {
    throw usage_error(
        "AlpacaEval's format holds one answer per instruction; give --n 1, or another --format");
  }
}

GenerationReport run_generation(Filesystem& filesystem, Engine& engine,
                                const std::vector<Prompt>& prompts, const GenerationJob& job,
                                const std::function<void(const Json&)>& emit, RowProgress* progress,
                                const CancellationToken& cancellation) {
  return Job(filesystem, engine, prompts, job, emit).run(progress, cancellation);
}

Json to_json(const GenerationReport& report) {
  const auto& run = report.run;
  return {{"output", report.output.empty() ? Json() : Json(report.output.string())},
          {"prompts", report.prompts},
          {"skipped", report.skipped},
          {"answers", report.answers},
          {"resumed", report.resumed},
          {"was_complete", report.was_complete},
          {"truncated", report.truncated},
          {"tokens", report.tokens},
          {"new_tokens", run.tokens},
          {"seconds", {{"loading", report.engine.loading_seconds}, {"generation", run.seconds}}},
          {"tokens_per_second",
           run.seconds > 0 ? Json(static_cast<double>(run.tokens) / run.seconds) : Json()},
          {"peak_batch", run.peak_batch},
          {"alpha", report.engine.alpha ? Json(*report.engine.alpha) : Json()},
          {"effective_alpha",
           report.engine.effective_alpha ? Json(*report.engine.effective_alpha) : Json()},
          {"engine", report.engine.facts},
          {"warnings", report.warnings}};
}

}  // namespace expo
