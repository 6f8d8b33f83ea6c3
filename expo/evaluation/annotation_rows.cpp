#include <fmt/format.h>

#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "expo/core/error.h"
#include "expo/core/json.h"
#include "expo/core/python_json.h"
#include "expo/core/text.h"
#include "expo/evaluation/annotation_readers.h"
#include "expo/text/row_reader.h"

namespace expo {
namespace {

/// The member of a row, or nullptr if it is missing or null.
const Json* find(const Json& row, const char* column) {
  const auto found = row.find(column);
  return found == row.end() || found->is_null() ? nullptr : &*found;
}

/// What a value is, with its article: "a number", "an array".
std::string kind_of(const Json& value) {
  const std::string name = json_type_name(value);
  return (name == "array" || name == "object" ? "an " : "a ") + name;
}

const std::string& answer(const Json& row, const char* column, const std::string& place) {
  const Json* value = find(row, column);
  if (value == nullptr)
    throw input_error(
        fmt::format("{}: there is no {}; expected AlpacaEval's annotations, with the "
                    "baseline's answer in output_1 and the model's in output_2",
                    place, column));
  if (!value->is_string())
    throw input_error(fmt::format("{}: {} is {}; expected the text of an answer", place, column,
                                  kind_of(*value)));
  return value->get_ref<const std::string&>();
}

std::optional<double> preference(const Json& row, const std::string& place) {
  if (!row.contains("preference"))
    throw input_error(
        fmt::format("{}: there is no preference; expected a number from 1 to 2, or "
                    "null where the judge failed",
                    place));
  const Json* value = find(row, "preference");
  if (value == nullptr) return std::nullopt;
  if (!value->is_number())
    throw input_error(
        fmt::format("{}: preference is {}; expected a number from 1 to 2", place, kind_of(*value)));
  return preference_of(value->get<double>(), place);
}

/// A name that is the same in all rows, and where it was first read.
class CommonName {
 public:
  explicit CommonName(const char* column) : column_(column) {}

  void read(const Json& row, const std::string& place) {
    const Json* value = find(row, column_);
    if (value == nullptr) return;
    if (!value->is_string())
      throw input_error(
          fmt::format("{}: {} is {}; expected a name", place, column_, kind_of(*value)));
    const auto& name = value->get_ref<const std::string&>();
    if (!first_.empty() && name != name_)
      throw input_error(
          fmt::format("{}: {} is \"{}\", but \"{}\" in {}; expected the annotations of "
                      "one model against one baseline by one judge",
                      place, column_, on_one_line(name), on_one_line(name_), first_));
    if (!first_.empty()) return;
    name_ = name;
    first_ = place;
  }
  const std::string& name() const { return name_; }

 private:
  const char* column_;
  std::string name_;
  std::string first_;
};

/// Refuses rows that are the same in everything that counts, where rows have no index. An
/// instruction alone may occur twice in a set.
class SeenRows {
 public:
  void add(const Json& row, const std::string& instruction, const std::string& place) {
    if (instruction.empty()) return;
    std::array<std::string, 3> key{instruction, row.at("output_1").get<std::string>(),
                                   row.at("output_2").get<std::string>()};
    const auto [first, is_new] = places_.try_emplace(std::move(key), place);
    if (!is_new)
      throw input_error(
          fmt::format("{}: this is the same instruction with the same answers as {}; "
                      "expected each once, or rows with an index",
                      place, first->second));
  }

 private:
  std::map<std::array<std::string, 3>, std::string> places_;
};

/// Turns rows into annotations one by one.
class Collector {
 public:
  explicit Collector(std::string location) { result_.location = std::move(location); }

  void add(const Json& row, const std::string& place) {
    Annotation annotation;
    annotation.place = place;
    annotation.baseline_length = count_characters(answer(row, "output_1", place));
    annotation.model_output = answer(row, "output_2", place);
    annotation.model_length = count_characters(*annotation.model_output);
    annotation.preference = preference(row, place);
    if (const Json* text = find(row, "instruction"); text != nullptr && text->is_string())
      annotation.instruction = text->get<std::string>();
    annotation.index = index(row, place);
    if (!has_index_) seen_.add(row, annotation.instruction, place);
    for (CommonName* name : {&model_, &baseline_, &judge_}) name->read(row, place);
    result_.rows.push_back(std::move(annotation));
  }

  Annotations finish(const std::string& fallback_name) {
    result_.model = model_.name().empty() ? fallback_name : model_.name();
    result_.baseline = baseline_.name();
    result_.judge = judge_.name();
    return std::move(result_);
  }

 private:
  std::uint64_t index(const Json& row, const std::string& place) {
    const Json* value = find(row, "index");
    if (result_.rows.empty()) has_index_ = value != nullptr;
    if (has_index_ != (value != nullptr))
      throw input_error(fmt::format("{}: there is {} index; expected one in every row or in none",
                                    place, value == nullptr ? "no" : "an"));
    if (!has_index_) return result_.rows.size();
    constexpr std::uint64_t kLargest = std::uint64_t{1} << 53;
    if (!value->is_number_unsigned() || value->get<std::uint64_t>() > kLargest)
      throw input_error(fmt::format("{}: index is {}; expected a whole number from 0 on", place,
                                    value->is_number() ? compact_json(*value) : kind_of(*value)));
    return value->get<std::uint64_t>();
  }

  Annotations result_;
  CommonName model_{"generator_2"};
  CommonName baseline_{"generator_1"};
  CommonName judge_{"annotator"};
  SeenRows seen_;
  bool has_index_ = false;
};

}  // namespace

Annotations read_annotation_rows(Filesystem& filesystem, const std::filesystem::path& path) {
  const auto reader = open_rows(filesystem, path);
  Collector collector(path.string());
  for (Json row; reader->next(row);) collector.add(row, reader->place());
  return collector.finish(path.stem().string());
}

}  // namespace expo
