#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/json.h"

namespace expo {

/// The output head of a model that uses its embedding for it.
struct TiedHead {
  std::size_t embedding = 0;          ///< the base's tensor
  std::string name;                   ///< of the head: "lm_head.weight"
  std::optional<std::size_t> tensor;  ///< where the checkpoint stores the head all the same
};

/// Whether a config.json ties the output head to the embedding; nothing where it is silent.
std::optional<bool> configured_tie(const Json& config);

/// The tied head of a checkpoint, by its configuration and the names of its tensors. Nothing for
/// models without a head and those with `tie_word_embeddings` false. Where the configuration does
/// not say (the default of most models is to tie), a head counts as tied, also a stored one.
std::optional<TiedHead> find_tied_head(const Checkpoint& checkpoint);

/// Whether a tensor is an output head's matrix, by its name.
bool is_head(std::string_view tensor);

/// The configuration with tie_word_embeddings false, also in its text_config.
Json untied(Json config);

}  // namespace expo
