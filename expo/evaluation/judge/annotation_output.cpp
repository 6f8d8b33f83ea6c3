#include "expo/evaluation/judge/annotation_output.h"

#include <utility>

#include "expo/core/text.h"
#include "expo/evaluation/judge/known_annotations.h"

namespace expo {
namespace {

Json row_of(const AnswerPairs& pairs, const AnswerPair& pair, const JudgedRow& judged,
            const std::string& annotator) {
  Json row{{"index", pair.index}, {"instruction", pair.instruction}};
  if (!pair.dataset.empty()) row["dataset"] = pair.dataset;
  row["output_1"] = pair.baseline_output;
  row["generator_1"] = pairs.baseline;
  row["output_2"] = pair.model_output;
  row["generator_2"] = pairs.model;
  row["annotator"] = annotator;
  row["preference"] = judged.preference ? Json(*judged.preference) : Json();
  if (!judged.request.empty()) row[kRequestColumn] = judged.request;
  for (const auto& [name, value] : judged.details.items()) append_member(row, name, value);
  return row;
}

}  // namespace

Json annotations_json(const AnswerPairs& pairs, const JudgeResult& result,
                      const std::string& annotator) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < result.rows.size(); ++i)
    rows.push_back(row_of(pairs, pairs.rows[i], result.rows[i], annotator));
  return rows;
}

void write_annotations(Filesystem& filesystem, const std::filesystem::path& path,
                       const Json& annotations) {
  // A name alone has no folder that could be synced, and a link is to be kept.
  const std::filesystem::path place = filesystem.canonical(path);
  filesystem.create_directory(place.parent_path());
  const std::filesystem::path partial =
      place.parent_path() / ("." + place.filename().string() + ".expo-new");
  filesystem.replace_text(place, partial, format_json(annotations));
}

Annotations to_annotations(const AnswerPairs& pairs, const JudgeResult& result,
                           const std::string& annotator, const std::string& location) {
  Annotations annotations{
      .location = location, .model = pairs.model, .baseline = pairs.baseline, .judge = annotator};
  for (std::size_t i = 0; i < result.rows.size(); ++i) {
    const AnswerPair& pair = pairs.rows[i];
    annotations.rows.push_back({.index = pair.index,
                                .place = pair.place,
                                .baseline_length = count_characters(pair.baseline_output),
                                .model_length = count_characters(pair.model_output),
                                .preference = result.rows[i].preference,
                                .instruction = pair.instruction});
  }
  return annotations;
}

}  // namespace expo
