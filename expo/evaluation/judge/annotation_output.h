#pragma once

#include <filesystem>
#include <string>

#include "expo/core/disk/filesystem.h"
#include "expo/core/json.h"
#include "expo/evaluation/annotations.h"
#include "expo/evaluation/judge/answer_pairs.h"
#include "expo/evaluation/judge/judge.h"

namespace expo {

/// The annotations in AlpacaEval's format, as its annotations.json holds them: an array of rows
/// with instruction, output_1 (the baseline's), generator_1, output_2, generator_2, annotator,
/// preference, which is null where the judge failed, and the judge's own words. An `index` in each
/// row keeps its place even where rows are missing, and `request_sha256` names the request that the
/// preference comes from, if that is known, so that another request never passes for it.
Json annotations_json(const AnswerPairs& pairs, const JudgeResult& result,
                      const std::string& annotator);

/// Writes them; the file is the old one or the new one, whatever happens.
void write_annotations(Filesystem& filesystem, const std::filesystem::path& path,
                       const Json& annotations);

/// The same annotations for evaluate(); `location` names them in messages.
Annotations to_annotations(const AnswerPairs& pairs, const JudgeResult& result,
                           const std::string& annotator, const std::string& location);

}  // namespace expo
