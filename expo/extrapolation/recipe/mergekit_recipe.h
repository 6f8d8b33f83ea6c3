#pragma once

#include <string>

#include "expo/core/yaml_document.h"
#include "expo/extrapolation/recipe/recipe.h"

namespace expo {

/// Whether a recipe is written for mergekit: it has a `merge_method`.
bool is_mergekit_recipe(const YamlValue& root);

/// Understands a mergekit recipe as an extrapolation, or refuses it with Error(usage), saying why.
///
/// merge_method: task_arithmetic. `base_model` is SFT, the one other model ALIGNED. With its weight
/// w and the top level's lambda λ (default 1) mergekit gives base + λ·w·Δ, so that α = λ·w − 1.
/// `normalize: true` (not the default) would cancel the weight and is refused. density, int8_mask
/// and rescale do nothing in this method and are passed over.
///
/// merge_method: linear. Two models with weights w₁ and w₂, divided by their sum unless
/// `normalize: false`, where they must add up to 1 (to 1e-9): the model with the greater weight is
/// ALIGNED, α = w − 1. Equal weights, and weights of which now one and now the other is greater,
/// are refused.
///
/// A weight stands with its model or, for all, at the top level; lambda and normalize at the top
/// level only (mergekit passes over them elsewhere, so that they are refused there). weight and
/// lambda may be numbers, gradients and conditions (mergekit_setting.h); a gradient is refused
/// where α would not be linear between its points. mergekit's layers are those of one stack: in a
/// model with several (encoder and decoder, vision and language) its gradients start anew in each,
/// ours run over the deepest one's number of layers; a note says so.
///
/// out_dtype, or else dtype, becomes `out_dtype`; the arithmetic stays float64. Refused by name:
/// slices and modules (whether they cover the whole model cannot be seen from the recipe),
/// tokenizer_source, tokenizer and chat_template (ALIGNED's go along), other methods, and keys that
/// mergekit does not know.
Recipe parse_mergekit_recipe(const YamlValue& root, const std::string& where);

}  // namespace expo
