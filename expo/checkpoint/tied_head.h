#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/json.h"

namespace expo {

/// The output head of a model that uses its embedding as the head's matrix.
struct TiedHead {
  std::size_t embedding = 0;          ///< index of the embedding's tensor in the base
  std::string name;                   ///< name of the head: "lm_head.weight"
  std::optional<std::size_t> tensor;  ///< index of the head's tensor if it is stored
};

/// Whether a config.json ties the output head to the embedding; std::nullopt if it does not say.
std::optional<bool> configured_tie(const Json& config);

/// Finds the tied head of a checkpoint by its configuration and the names of its tensors.
/// std::nullopt for models without a head and those with `tie_word_embeddings` false. If the
/// configuration does not say (most models tie by default), a head counts as tied, even one that is
/// stored.
std::optional<TiedHead> find_tied_head(const Checkpoint& checkpoint);

/// Whether the name is that of an output head's matrix.
bool is_head(std::string_view tensor);

/// The configuration with tie_word_embeddings set to false, also in its text_config.
Json untied(Json config);

}  // namespace expo
