#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "expo/checkpoint/checkpoint.h"

namespace expo {

/// Finds the tensors of a base checkpoint by the names that they had in the model that was trained.
/// The names differ if one of the two is a bare model and the other has a head ("layers.0" and
/// "model.layers.0", "transformer.h.0" and "h.0"), and if transformers renames the modules of a
/// vision-language model on loading. One renaming applies to the whole adapter: the first with
/// which every name is found. Keeps a reference to `base`.
class BaseNames {
 public:
  /// Throws Error(input), with a message that begins with `where`, if no renaming finds all of
  /// `names`.
  BaseNames(const Checkpoint& base, const std::vector<std::string>& names,
            const std::string& where);

  /// The base's tensor of that name, after the renaming.
  std::optional<std::size_t> find(const std::string& name) const;

  /// Pairs of a prefix and its replacement; the first prefix that matches applies.
  using Renaming = std::vector<std::pair<std::string, std::string>>;

 private:
  const Checkpoint& base_;
  Renaming renaming_;
};

}  // namespace expo
