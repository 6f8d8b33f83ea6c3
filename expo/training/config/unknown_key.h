#pragma once

#include <string>

namespace expo {

/// Advice about a key that no configuration has: for keys of TRL, transformers and PEFT, what to
/// use instead; for others, the key with the most similar spelling; empty if there is no advice.
std::string advice_on_key(const std::string& name);

}  // namespace expo
