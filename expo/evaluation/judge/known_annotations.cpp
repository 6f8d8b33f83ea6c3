#include "expo/evaluation/judge/known_annotations.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <utility>

#include "expo/core/error.h"
#include "expo/core/python_json.h"
#include "expo/evaluation/annotation_readers.h"
#include "expo/text/row_reader.h"

namespace expo {
namespace {

std::string text_in(const Json& row, const char* column, const std::string& place) {
  const auto found = row.find(column);
  if (found != row.end() && found->is_string()) return found->get<std::string>();
  throw input_error(fmt::format("{}: {} is {}; expected text, as in AlpacaEval's annotations",
                                place, column,
                                found == row.end() ? "missing" : json_type_name(*found)));
}

std::optional<double> preference_in(const Json& row, const std::string& place) {
  const auto found = row.find("preference");
  if (found == row.end() || found->is_null()) return std::nullopt;
  if (!found->is_number())
    throw input_error(fmt::format("{}: preference is of the type {}; expected a number from 1 to 2",
                                  place, json_type_name(*found)));
  return preference_of(found->get<double>(), place);
}

/// What stands beside a preference, such as the judge's own words.
Json details_in(const Json& row) {
  Json details = Json::object();
  for (const auto& [name, value] : row.items()) {
    if (name.starts_with("preference_")) append_member(details, name, value);
  }
  return details;
}

/// The request that a row comes from; empty in alpaca_eval's rows, which name none.
std::string request_in(const Json& row, const std::string& place) {
  const auto found = row.find(kRequestColumn);
  if (found == row.end() || found->is_null()) return {};
  if (found->is_string()) return found->get<std::string>();
  throw input_error(fmt::format("{}: {} is of the type {}; expected text, as expo writes it", place,
                                kRequestColumn, json_type_name(*found)));
}

std::string key_of(const std::string& instruction, const std::string& baseline,
                   const std::string& model, const std::string& request) {
  return compact_json(Json::array({instruction, baseline, model, request}));
}

}  // namespace

void KnownAnnotations::read(Filesystem& filesystem, const std::filesystem::path& path,
                            const std::string& judge) {
  const auto reader = open_rows(filesystem, path);
  for (Json row; reader->next(row);) add(row, reader->place(), judge);
}

void KnownAnnotations::add(const Json& row, const std::string& place, const std::string& judge) {
  const auto annotator = row.find("annotator");
  if (annotator == row.end() || *annotator != judge) {
    ++other_judges_;
    return;
  }
  const auto preference = preference_in(row, place);
  if (!preference) {
    ++failed_;
    return;
  }
  const auto [kept, is_new] =
      known_.try_emplace(key_of(text_in(row, "instruction", place), text_in(row, "output_1", place),
                                text_in(row, "output_2", place), request_in(row, place)),
                         KnownAnnotation{*preference, details_in(row), place});
  if (!is_new && kept->second.preference != *preference)
    throw input_error(
        fmt::format("{}: preference is {}, but {} for the same instruction and answers in {}; "
                    "expected one preference for each",
                    place, *preference, kept->second.preference, kept->second.place));
}

const KnownAnnotation* KnownAnnotations::find(const AnswerPair& pair,
                                              const std::string& request) const {
  const auto found =
      known_.find(key_of(pair.instruction, pair.baseline_output, pair.model_output, request));
  return found == known_.end() ? nullptr : &found->second;
}

}  // namespace expo
