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
#include "expo/search/live/command_files.h"
#include "expo/search/process/line_process.h"

namespace expo {
namespace {

constexpr std::uint64_t kLargestDigested = std::uint64_t{64} << 20;
constexpr std::string_view kSpace = " \t\r\n";
constexpr const char* kDoubt =
    "as nobody knows from which answer on its scores belong to other answers, none of them is kept";

/// Whether the row's own column of this name says something else than the prompt that a scorer gets
/// in its place.
bool hides_column(const Prompt& prompt) {
  const auto own = prompt.row.find("prompt");
  if (own == prompt.row.end() || own->is_null()) return false;
  const std::string asked = question_of(prompt.chat.messages);
  if (own->is_string()) return own->get_ref<const std::string&>() != asked;
  const auto says_it = [&](const Json& turn) {
    return turn.is_object() && turn.value("role", Json()) == "user" && content_text(turn) == asked;
  };
  return !own->is_array() || std::ranges::none_of(*own, says_it);
}

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

/// What tells the contents of a command's files apart.
Json digests_of(Filesystem& filesystem, std::span<const std::filesystem::path> files) {
  Json digests = Json::object();
  for (const auto& file : files) {
    const auto status = filesystem.status(file);
    if (!status) continue;
    digests[file.string()] = status->size <= kLargestDigested
                                 ? Json(text_digest(filesystem.read_text(file)))
                                 : Json({status->size, status->modified_ns});
  }
  return digests;
}

class CommandScorer final : public AnswerScorer {
 public:
  CommandScorer(Filesystem& filesystem, std::string command, CommandScorerOptions options)
      : command_(std::move(command)), options_(options) {
    const auto files = files_of_command(filesystem, command_);
    files_ = digests_of(filesystem, files);
    has_program_ = !std::ranges::all_of(files, is_interpreter);
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

  void finish() override {
    if (!process_) return;
    const std::string rest = std::exchange(process_, nullptr)->finish();
    for (std::size_t begin = 0; begin < rest.size();) {
      const std::size_t end = std::min(rest.find('\n', begin), rest.size());
      const std::string line = rest.substr(begin, end - begin);
      begin = end + 1;
      if (!number_in(line)) continue;
      doubtful_ = true;
      throw input_error(fmt::format(
          "the {} has printed more numbers than it was given answers, the first of them \"{}\"; "
          "expected one line with a number for each line of its input; {}",
          name(), on_one_line(line.substr(0, 60)), kDoubt));
    }
  }

  bool is_doubtful() const override { return doubtful_; }

  Json identity() const override { return {{"command", command_}, {"files", files_}}; }
  std::string name() const override { return fmt::format("program '{}'", on_one_line(command_)); }

  std::vector<std::string> warnings() const override {
    if (has_program_) return {};
    return {
        fmt::format("the command '{}' names no file that could be watched: if the program changes, "
                    "that will not be noticed, and its earlier scores are kept",
                    on_one_line(command_))};
  }

  void check(const std::vector<Prompt>& prompts) const override {
    for (const Prompt& prompt : prompts) {
      if (prompt.row.contains("answer")) {
        throw input_error(
            fmt::format("{}: the row already has a column answer, under which the {} gets the "
                        "answer of the model; rename the column",
                        prompt.place, name()));
      }
      if (!hides_column(prompt)) continue;
      throw input_error(
          fmt::format("{}: the row has a column prompt that is not what is asked, and the {} gets "
                      "under this name what is asked; rename the column",
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
      doubtful_ = false;
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
                           const LineProcess::Exchange& exchange) {
    const bool endless = exchange.outcome == LineProcess::Outcome::endless;
    doubtful_ = exchange.outcome == LineProcess::Outcome::surplus;
    std::string message = fmt::format(
        "{}: the {} {}; expected one line with a number for each line of its input, printed at "
        "once{}",
        place_of(batch[std::min(exchange.lines, batch.size() - 1)]), name(), exchange.what,
        exchange.outcome == LineProcess::Outcome::stalled
            ? " (a program that holds its output back may need an option, or stdbuf -oL before it)"
            : ", until its input ends");
    if (!exchange.complaint.empty())
      message += "; its last message is: " + on_one_line(exchange.complaint);
    if (doubtful_) message += fmt::format("; {}", kDoubt);
    throw Error(doubtful_ || endless ? ErrorCategory::input : ErrorCategory::environment, message);
  }

  std::string command_;
  CommandScorerOptions options_;
  Json files_;
  bool has_program_ = false;
  std::unique_ptr<LineProcess> process_;
  bool doubtful_ = false;
};

}  // namespace

std::unique_ptr<AnswerScorer> command_scorer(Filesystem& filesystem, std::string command,
                                             CommandScorerOptions options) {
  return std::make_unique<CommandScorer>(filesystem, std::move(command), options);
}

}  // namespace expo
