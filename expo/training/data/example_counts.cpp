#include "expo/training/data/example_set.h"

namespace expo {

Json to_json(const ExampleCounts& counts) {
  return {{"rows", counts.rows},
          {"chosen_rows", counts.chosen_rows},
          {"examples", counts.examples},
          {"prompts_cut", counts.prompts_cut},
          {"answers_cut", counts.answers_cut},
          {"same_answers", counts.same_answers},
          {"too_long", counts.too_long},
          {"without_answer", counts.without_answer},
          {"unwritten", counts.unwritten},
          {"tokens", counts.tokens},
          {"counted_tokens", counts.counted_tokens}};
}

}  // namespace expo
