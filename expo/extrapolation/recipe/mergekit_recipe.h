#pragma once

#include <string>

#include "expo/core/yaml_document.h"
#include "expo/extrapolation/recipe/recipe.h"

namespace expo {

/// Whether a recipe is mergekit's, which is the case if it has a `merge_method`.
bool is_mergekit_recipe(const YamlValue& root);

/// Interprets a mergekit recipe as an extrapolation, or refuses it with Error(usage), saying why.
///
/// merge_method: task_arithmetic. `base_model` is SFT, and the one other model is ALIGNED. With its
/// weight w and the top level's lambda λ (default 1), mergekit computes base + λ·w·Δ, so that α =
/// λ·w − 1. `normalize: true` (not the default) would cancel the weight and is refused. density,
/// int8_mask and rescale have no effect in this method and are ignored.
///
/// merge_method: linear. Two models with weights w₁ and w₂, which are divided by their sum, or with
/// `normalize: false` must add up to 1 (to 1e-9): the model with the greater weight is ALIGNED, and
/// α = w − 1. Equal weights are refused, and so are weights of which neither is the greater one
/// everywhere.
///
/// A weight is given with its model or, for all models, at the top level; lambda and normalize only
/// at the top level (mergekit ignores them elsewhere, so they are refused there). weight and lambda
/// may be numbers, gradients and conditions (mergekit_setting.h); a gradient is refused if α would
/// not be linear between its points. mergekit counts the layers of one stack: in a model with
/// several (encoder and decoder, vision and language) its gradients restart in each, whereas ours
/// run over the number of layers of the deepest stack; a note says so.
///
/// out_dtype, or else dtype, becomes `out_dtype`; the arithmetic stays float64, and `rounding` is
/// nearest, as mergekit's is. Refused by name are slices and modules (the recipe does not show
/// whether they cover the whole model), tokenizer_source, tokenizer and chat_template (ALIGNED's
/// are used), other methods, and keys that mergekit does not know.
Recipe parse_mergekit_recipe(const YamlValue& root, const std::string& where);

}  // namespace expo
