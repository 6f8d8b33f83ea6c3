#pragma once

#include <set>
#include <string>

#include "expo/model/architecture.h"
#include "expo/training/model/lora_spec.h"

namespace expo {

/// The modules that PEFT would adapt in a model of this architecture, by their whole names
/// ("model.layers.0.self_attn.q_proj"): those whose name the expression matches or ends in one of
/// the names. Throws what check() throws, and Error(usage) if the expression or a name chooses no
/// module, or one that cannot be adapted (lm_head, embed_tokens, a norm or a whole block). A score
/// head is never chosen, because it is trained in full.
std::set<std::string> choose_lora_targets(const LoraSpec& spec, const Architecture& architecture);

}  // namespace expo
