#include "expo/evaluation/judge/answer_pairs.h"

#include <fmt/format.h>

#include <optional>
#include <unordered_map>
#include <utility>

#include "expo/core/error.h"
#include "expo/core/python_json.h"
#include "expo/core/text.h"
#include "expo/text/chat.h"
#include "expo/text/columns.h"
#include "expo/text/row_reader.h"

namespace expo {
namespace {

struct Output {
  std::string place;
  std::string instruction;
  std::string output;
  std::string dataset;
};

/// The answers of one model, and where each instruction is among them.
struct Outputs {
  std::string generator;
  std::vector<Output> rows;
  std::unordered_map<std::string, std::size_t> by_instruction;
};

/// An instruction fit for a message.
std::string shortened(const std::string& instruction) {
  return cut_to(on_one_line(instruction), 60);
}

/// The text in a column; std::nullopt if there is none, where that is allowed.
std::optional<std::string> text_in(const Json& row, const char* column, const std::string& place,
                                   bool required) {
  const auto found = row.find(column);
  const bool absent = found == row.end() || found->is_null();
  if (absent && !required) return std::nullopt;
  if (found == row.end())
    throw input_error(fmt::format(
        "{}: there is no {}; expected answers in AlpacaEval's format, with the columns instruction "
        "and output, or as expo generate writes them",
        place, column));
  if (!found->is_string())
    throw input_error(fmt::format("{}: {} is of the type {}; expected text", place, column,
                                  json_type_name(*found)));
  return found->get<std::string>();
}

void set_generator(Outputs& outputs, const std::optional<std::string>& name,
                   const std::string& place) {
  if (!name) return;
  if (!outputs.generator.empty() && outputs.generator != *name)
    throw input_error(
        fmt::format("{}: generator is \"{}\", but \"{}\" in a row before; expected the answers of "
                    "one model",
                    place, on_one_line(*name), on_one_line(outputs.generator)));
  outputs.generator = *name;
}

/// Whether a row is one of the data set with the model's answer and its columns added, as in the
/// plain format of `expo generate`: then output and generator are those of the data set.
bool is_plain(const Json& row) {
  return row.contains("answer") && row.contains("sample") && row.contains("finish_reason");
}

std::string instruction_of(const Json& row, const std::string& place) {
  const bool has_prompt = !row.contains("instruction") && row.contains("prompt");
  return *text_in(row, has_prompt ? "prompt" : "instruction", place, true);
}

std::string output_of(const Json& row, const std::string& place) {
  if (is_plain(row)) return *text_in(row, "answer", place, true);
  const RowView view(row, place);
  const Json* messages = row.contains("output") ? nullptr : view.find("", {"messages"});
  if (messages == nullptr) return *text_in(row, "output", place, true);
  const Json last = read_messages(view, *messages, "messages").back();
  if (!is_assistant(last)) view.refuse("the messages do not end with an answer");
  return content_text(last);
}

void add(Outputs& outputs, const Json& row, const std::string& place) {
  Output output{.place = place,
                .instruction = instruction_of(row, place),
                .output = output_of(row, place),
                .dataset = text_in(row, "dataset", place, false).value_or("")};
  if (!is_plain(row)) set_generator(outputs, text_in(row, "generator", place, false), place);
  const auto [first, is_new] =
      outputs.by_instruction.try_emplace(output.instruction, outputs.rows.size());
  if (!is_new)
    throw input_error(
        fmt::format("{}: the instruction \"{}\" is also that of {}; expected one "
                    "answer to each",
                    place, shortened(output.instruction), outputs.rows[first->second].place));
  outputs.rows.push_back(std::move(output));
}

Outputs read_outputs(Filesystem& filesystem, const std::filesystem::path& path) {
  const auto reader = open_rows(filesystem, path);
  Outputs outputs;
  for (Json row; reader->next(row);) add(outputs, row, reader->place());
  if (outputs.rows.empty())
    throw input_error(path.string() + ": there is no answer; expected one to each instruction");
  if (outputs.generator.empty()) outputs.generator = path.stem().string();
  return outputs;
}

void refuse_unknown(const Outputs& model, const Outputs& reference,
                    const std::filesystem::path& file) {
  const Output* first = nullptr;
  std::size_t unknown = 0;
  for (const Output& row : model.rows) {
    if (reference.by_instruction.contains(row.instruction)) continue;
    if (unknown++ == 0) first = &row;
  }
  if (first == nullptr) return;
  throw input_error(
      fmt::format("{}: the instruction \"{}\" is not in {} ({} of {} are not); expected "
                  "answers to the instructions that the reference answers",
                  first->place, shortened(first->instruction), file.string(), unknown,
                  counted(model.rows.size(), "row")));
}

void refuse_missing(const AnswerPairs& pairs, const Output& first,
                    const std::filesystem::path& file) {
  throw input_error(fmt::format(
      "{}: there is no answer to {} of the reference, first to \"{}\" ({}); answer them, or "
      "allow rows to be missing",
      file.string(), counted(pairs.missing, "instruction"), shortened(first.instruction),
      first.place));
}

AnswerPair joined(Output&& model, Output&& reference, std::uint64_t index) {
  return {.index = index,
          .place = std::move(model.place),
          .instruction = std::move(reference.instruction),
          .dataset = std::move(reference.dataset),
          .baseline_output = std::move(reference.output),
          .model_output = std::move(model.output)};
}

}  // namespace

AnswerPairs read_answer_pairs(Filesystem& filesystem, const std::filesystem::path& model_outputs,
                              const std::filesystem::path& reference_outputs, bool allow_missing) {
  Outputs model = read_outputs(filesystem, model_outputs);
  Outputs reference = read_outputs(filesystem, reference_outputs);
  refuse_unknown(model, reference, reference_outputs);
  AnswerPairs pairs{.baseline = reference.generator, .model = model.generator};
  const Output* first_missing = nullptr;
  std::size_t last = 0;
  bool in_order = true;
  for (std::size_t i = 0; i < reference.rows.size(); ++i) {
    const auto found = model.by_instruction.find(reference.rows[i].instruction);
    if (found == model.by_instruction.end()) {
      if (pairs.missing++ == 0) first_missing = &reference.rows[i];
      continue;
    }
    in_order = in_order && found->second >= last;
    last = found->second;
    pairs.rows.push_back(joined(std::move(model.rows[last]), std::move(reference.rows[i]), i));
  }
  if (pairs.missing > 0 && !allow_missing) refuse_missing(pairs, *first_missing, model_outputs);
  if (!in_order)
    pairs.warnings.push_back(
        fmt::format("{}: the answers are in another order than the reference's; they are joined by "
                    "their instructions",
                    model_outputs.string()));
  return pairs;
}

}  // namespace expo
