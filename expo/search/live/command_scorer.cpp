#include "expo/search/live/command_scorer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/extrapolation/write/input_digest.h"
#include "expo/search/live/line_process.h"

namespace expo {
namespace {

constexpr std::uint64_t kLargestDigested = std::uint64_t{64} << 20;
constexpr std::string_view kSpace = " \t\r\n";

std::string line_of(const ScorableAnswer& answer) {
  const Prompt& prompt = *answer.prompt;
  Json line = {{"prompt", question_of(prompt.chat.messages)}, {"answer", std::string(answer.text)}};
  for (const auto& [column, value] : prompt.row.items())
    if (!line.contains(column)) line[column] = value;
  if (!line.contains("messages")) line["messages"] = prompt.chat.messages;
  return compact_json(line) + "\n";
}

/// The finite number that a line holds, and nothing else.
std::optional<double> number_in(std::string_view line) {
  std::string_view digits = trimmed(line, kSpace);
  if (digits.starts_with('+')) digits.remove_prefix(1);
  double value = 0;
  const char* end = digits.data() + digits.size();
  const auto [rest, error] = std::from_chars(digits.data(), end, value);
  if (error != std::errc() || rest != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// Those words of a command that are files, with what tells their contents apart.
Json files_in(Filesystem& filesystem, std::string_view command) {
  Json files = Json::object();
  constexpr std::string_view kBetween = " \t\r\n'\"<>|&;()";
  for (std::size_t begin = 0;
       (begin = command.find_first_not_of(kBetween, begin)) != std::string_view::npos;) {
    const std::size_t end = std::min(command.find_first_of(kBetween, begin), command.size());
    const std::string word(command.substr(begin, end - begin));
    begin = end;
    const auto status = filesystem.status(word);
    if (!status || !status->is_regular) continue;
    files[word] = status->size <= kLargestDigested ? Json(text_digest(filesystem.read_text(word)))
                                                   : Json({status->size, status->modified_ns});
  }
  return files;
}

class CommandScorer final : public AnswerScorer {
 public:
  CommandScorer(Filesystem& filesystem, std::string command, CommandScorerOptions options)
      : command_(std::move(command)), options_(options), files_(files_in(filesystem, command_)) {
    if (trimmed(command_, kSpace).empty())
      throw usage_error("the scorer's command is empty; give a command for the shell");
  }

  void score(std::span<const ScorableAnswer> answers, const Sink& sink,
             const CancellationToken& cancellation) override {
    for (std::size_t first = 0; first < answers.size(); first += options_.batch_size) {
      const std::size_t count = std::min(options_.batch_size, answers.size() - first);
      const auto scores = numbers(answers.subspan(first, count), cancellation);
      for (std::size_t i = 0; i < count; ++i) sink(first + i, scores[i]);
    }
  }

  Json identity() const override { return {{"command", command_}, {"files", files_}}; }
  std::string name() const override { return fmt::format("scorer '{}'", on_one_line(command_)); }

  void check(const std::vector<Prompt>& prompts) const override {
    for (const Prompt& prompt : prompts) {
      if (!prompt.row.contains("answer")) continue;
      throw input_error(
          fmt::format("{}: the row already has a column answer, under which the {} gets the answer "
                      "of the model; rename the column",
                      prompt.place, name()));
    }
  }

 private:
  std::vector<double> numbers(std::span<const ScorableAnswer> batch,
                              const CancellationToken& cancellation) {
    cancellation.check();
    std::string text;
    for (const ScorableAnswer& answer : batch) text += line_of(answer);
    std::vector<double> result;
    const auto take = [&](std::size_t number, const std::string& line) {
      const auto value = number_in(line);
      if (!value) refuse(batch[number], line);
      result.push_back(*value);
    };
    const LineProcess::Exchange exchange = ask(text, batch.size(), take, cancellation);
    if (exchange.outcome != LineProcess::Outcome::done) refuse(batch, exchange);
    return result;
  }

  LineProcess::Exchange ask(std::string_view text, std::size_t count,
                            const LineProcess::Reader& take,
                            const CancellationToken& cancellation) {
    // What goes wrong leaves no process for the next call.
    auto process = std::exchange(process_, nullptr);
    if (!process) {
      process = std::make_unique<LineProcess>(
          command_, LineProcess::Limits{options_.timeout, options_.farewell});
    }
    auto exchange = process->exchange(text, count, take, cancellation);
    if (exchange.outcome == LineProcess::Outcome::done) process_ = std::move(process);
    return exchange;
  }

  [[noreturn]] void refuse(const ScorableAnswer& answer, const std::string& line) const {
    throw input_error(fmt::format("{}: the {} has printed \"{}\"; expected one finite number",
                                  place_of(answer), name(), on_one_line(line.substr(0, 100))));
  }

  [[noreturn]] void refuse(std::span<const ScorableAnswer> batch,
                           const LineProcess::Exchange& exchange) const {
    const bool surplus = exchange.outcome == LineProcess::Outcome::surplus;
    std::string message = fmt::format(
        "{}: the {} {}; expected one line with a number for each line of its input, printed at "
        "once{}",
        place_of(batch[std::min(exchange.lines, batch.size() - 1)]), name(), exchange.what,
        exchange.outcome == LineProcess::Outcome::stalled
            ? " (a program that holds its output back may need an option, or stdbuf -oL before it)"
            : ", until its input ends");
    if (!exchange.complaint.empty())
      message += "; its last message is: " + on_one_line(exchange.complaint);
    throw Error(surplus ? ErrorCategory::input : ErrorCategory::environment, message);
  }

  std::string command_;
  CommandScorerOptions options_;
  Json files_;
  std::unique_ptr<LineProcess> process_;
};

}  // namespace

std::unique_ptr<AnswerScorer> command_scorer(Filesystem& filesystem, std::string command,
                                             CommandScorerOptions options) {
  return std::make_unique<CommandScorer>(filesystem, std::move(command), options);
}

}  // namespace expo
