#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "expo/checkpoint/checkpoint.h"

namespace expo {

/// Finds the tensors of a base checkpoint by the names that they had in the model that was trained.
/// The two differ where one is a bare model and the other has a head ("layers.0" and
/// "model.layers.0", "transformer.h.0" and "h.0"), and where transformers renames a
/// vision-language model's modules on loading. One way of renaming holds for the whole adapter:
/// the first under which every name is found. Keeps a reference to `base`.
class BaseNames {
 public:
  /// Throws Error(input), beginning with `where`, where no renaming finds all of `names`.
  BaseNames(const Checkpoint& base, const std::vector<std::string>& names,
            const std::string& where);

  /// The base's tensor of that name, or of the renamed one.
  std::optional<std::size_t> find(const std::string& name) const;

  /// Beginnings and what stands for them; the first that fits is taken.
  using Renaming = std::vector<std::pair<std::string, std::string>>;

 private:
  const Checkpoint& base_;
  Renaming renaming_;
};

}  // namespace expo
