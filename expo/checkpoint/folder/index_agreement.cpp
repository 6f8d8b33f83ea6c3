#include "expo/checkpoint/folder/index_agreement.h"

#include <fmt/format.h>

#include <string_view>
#include <unordered_map>

#include "expo/core/error.h"

namespace expo {

void check_index_agreement(const WeightFiles& weights, const std::vector<Tensor>& tensors,
                           const std::vector<std::size_t>& file_of) {
  const std::string where = weights.index.string();
  const auto name_of = [&](std::size_t file) { return weights.files[file].filename().string(); };
  std::unordered_map<std::string_view, std::size_t> found;
  for (std::size_t i = 0; i < tensors.size(); ++i) found.emplace(tensors[i].name, file_of[i]);
  for (const auto& [name, file] : weights.weight_map) {
    const auto place = found.find(name);
    if (place == found.end() || place->second != file) {
      throw input_error(fmt::format(
          "{}: the index says that the tensor \"{}\" is in {}, which does not hold it; the files "
          "do not belong together or the download is incomplete",
          where, name, name_of(file)));
    }
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!weights.weight_map.contains(tensors[i].name)) {
      throw input_error(fmt::format(
          "{}: the tensor \"{}\" of {} is missing from the index; the files do not belong together",
          where, tensors[i].name, name_of(file_of[i])));
    }
  }
}

}  // namespace expo
