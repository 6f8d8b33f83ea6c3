#pragma once

#include <string>

namespace expo {

/// What to do about a key that no configuration has: of those of TRL, transformers and PEFT what
/// stands in their place, of others the one that is spelt nearly so; empty where there is nothing
/// to say.
std::string advice_on_key(const std::string& name);

}  // namespace expo
