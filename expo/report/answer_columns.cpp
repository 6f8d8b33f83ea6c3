#include "expo/report/answer_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "expo/core/error.h"
#include "expo/report/run_files.h"
#include "expo/report/text_repair.h"

namespace expo {
namespace {

/// get() alone would make something else of negative numbers and of fractions.
std::uint64_t count_of(const Json& json) {
  if (!json.is_number_unsigned()) throw Json::type_error::create(302, "no count", &json);
  return json.get<std::uint64_t>();
}

std::optional<std::uint64_t> limit_of(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional(count_of(json));
}

bool is_below(const std::optional<std::uint64_t>& limit,
              const std::optional<std::uint64_t>& other) {
  return limit && (!other || *limit < *other);
}

/// What an answer is found by.
std::string name_of(const Json& line) {
  return fmt::format("{}\n{}", line.at("key").get<std::string>(), compact_json(line.at("limit")));
}

}  // namespace

AnswerColumns::AnswerColumns(Filesystem& filesystem, std::filesystem::path path, const Limit& limit,
                             PromptColumns& prompts, std::vector<std::string>& missing,
                             const CancellationToken& cancellation)
    : path_(std::move(path)) {
  if (!filesystem.exists(path_)) return;
  file_ = filesystem.open(path_, Caching::buffered);
  read_lines(
      *file_, {path_, "expo-answers-1"},
      [&](const Json& line, const LineReader::Line& place) {
        cancellation.check();
        take(line, place.offset, place.text.size());
      },
      missing);
  numbers_ = {};
  drop_cut(limit);
  number_prompts(prompts);
}

/// Turns the numbers of prompts in the order of their answers into those of the columns, to which
/// only prompts of answers that are shown are added.
void AnswerColumns::number_prompts(PromptColumns& prompts) {
  std::vector<std::optional<std::size_t>> columns(prompt_ids_.size());
  for (Answer& answer : answers_) {
    std::optional<std::size_t>& column = columns[answer.prompt];
    if (!column) column = prompts.number_of(prompt_ids_[answer.prompt]);
    answer.prompt = *column;
  }
  prompt_ids_ = {};
  prompt_numbers_ = {};
}

void AnswerColumns::take(const Json& line, std::uint64_t offset, std::size_t length) {
  if (line.contains("void")) {
    if (line.at("void").get<std::string>() != deciding_) return;
    for (Answer& answer : answers_) answer.score.reset();
    return;
  }
  const std::string name = name_of(line);
  if (line.contains("scorer")) {
    take_score(line, name);
  } else {
    take_answer(line, name, offset, length);
  }
}

void AnswerColumns::take_answer(const Json& line, const std::string& name, std::uint64_t offset,
                                std::size_t length) {
  Answer answer;
  answer.offset = offset;
  answer.length = length;
  answer.prompt = prompt_of(line.at("prompt").get<std::string>());
  answer.label = label_of(line.at("candidate").get<std::string>());
  answer.sample = count_of(line.at("sample"));
  answer.tokens = count_of(line.at("tokens"));
  answer.limit = limit_of(line.at("limit"));
  answer.is_stopped = line.at("finish_reason").get<std::string>() != "length";
  if (!line.at("text").is_string()) throw Json::type_error::create(302, "no text", &line);
  if (numbers_.emplace(name, answers_.size()).second) answers_.push_back(answer);
}

void AnswerColumns::take_score(const Json& line, const std::string& name) {
  const auto scorer = line.at("scorer").get<std::string>();
  const double score = line.at("score").get<double>();
  if (deciding_.empty()) deciding_ = scorer.substr(0, scorer.find('/')) + "/";
  const auto found = numbers_.find(name);
  if (found == numbers_.end() || !scorer.starts_with(deciding_)) return;
  std::optional<double>& kept = answers_[found->second].score;
  if (!kept && std::isfinite(score)) kept = score;
}

/// Leaves out what the screening cut short: answers that a smaller limit than the search's ended.
void AnswerColumns::drop_cut(const Limit& limit) {
  std::optional<std::uint64_t> whole = limit.tokens;
  if (!limit.is_known && !answers_.empty()) {
    const auto longest = std::ranges::max_element(
        answers_, [](const Answer& a, const Answer& b) { return is_below(a.limit, b.limit); });
    whole = longest->limit;
  }
  cut_ = std::erase_if(answers_, [&](const Answer& answer) {
    return !answer.is_stopped && is_below(answer.limit, whole) && answer.tokens >= *answer.limit;
  });
}

std::size_t AnswerColumns::label_of(const std::string& label) {
  const auto [place, is_new] = label_numbers_.emplace(label, labels_.size());
  if (is_new) labels_.push_back(label);
  return place->second;
}

std::size_t AnswerColumns::prompt_of(const std::string& id) {
  const auto [place, is_new] = prompt_numbers_.emplace(id, prompt_ids_.size());
  if (is_new) prompt_ids_.push_back(id);
  return place->second;
}

std::size_t AnswerColumns::unscored() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(answers_, [](const Answer& answer) { return !answer.score; }));
}

std::string AnswerColumns::text_of(const Answer& answer, AlignedBuffer& scratch) const {
  const auto bytes = file_->read(answer.offset, answer.length, scratch);
  const std::string_view line(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return parse_repaired(line, path_.string()).at("text").get<std::string>();
}

/// Writes a list with a value of each answer.
template <typename Value>
void AnswerColumns::write_column(const TextSink& sink, const Value& value) const {
  ListOutput list(sink);
  for (const Answer& answer : answers_) list.add(value(answer));
  list.end();
}

void AnswerColumns::write(const TextSink& sink) const {
  ObjectOutput columns(sink);
  const auto add = [&](std::string_view key, const auto& value) {
    columns.begin(key);
    write_column(sink, value);
  };
  AlignedBuffer scratch;
  add("label", [](const Answer& answer) { return Json(answer.label); });
  add("prompt", [](const Answer& answer) { return Json(answer.prompt); });
  add("sample", [](const Answer& answer) { return Json(answer.sample); });
  add("text", [&](const Answer& answer) { return Json(text_of(answer, scratch)); });
  add("score", [](const Answer& answer) { return answer.score ? Json(*answer.score) : Json(); });
  add("tokens", [](const Answer& answer) { return Json(answer.tokens); });
  add("ending", [](const Answer& answer) { return Json(answer.is_stopped ? "stop" : "length"); });
  columns.end();
}

}  // namespace expo
