#include "expo/checkpoint/checkpoint.h"

#include <algorithm>

#include "expo/core/error.h"

namespace expo {
namespace {

/// This many elements of the widest type stay far below 2^64 bytes, so that sums over a checkpoint
/// never wrap around.
constexpr std::uint64_t kMostElements = std::uint64_t{1} << 58;

}  // namespace

std::optional<std::size_t> Checkpoint::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return std::nullopt;
  return found->second;
}

void Checkpoint::set_surroundings(Surroundings surroundings) {
  config_ = std::move(surroundings.config);
  sidecars_ = std::move(surroundings.sidecars);
  location_ = std::move(surroundings.location);
  model_id_ = std::move(surroundings.model_id);
  warnings_.insert(warnings_.end(), surroundings.warnings.begin(), surroundings.warnings.end());
  for (std::size_t i = 0; i < std::min(files_.size(), surroundings.sha256.size()); ++i) {
    files_[i].sha256 = std::move(surroundings.sha256[i]);
  }
}

void Checkpoint::index_tensors() {
  by_name_.reserve(tensors_.size());
  std::uint64_t elements = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (!by_name_.emplace(tensors_[i].name, i).second) {
      throw input_error(location_ + ": the tensor \"" + tensors_[i].name + "\" occurs twice");
    }
    if (__builtin_add_overflow(elements, tensors_[i].elements(), &elements) ||
        elements > kMostElements) {
      throw input_error(location_ + ": the tensors up to \"" + tensors_[i].name +
                        "\" have more than 2^58 elements together, which no disk holds; the file "
                        "is damaged");
    }
  }
}

}  // namespace expo
