#pragma once

#include "expo/core/json.h"
#include "expo/engine/engine.h"

namespace expo {

/// All options of an answer, for the record of a run and for comparison with that of a later one.
Json answer_settings(const AnswerOptions& options);

}  // namespace expo
