#include "expo/checkpoint/folder/index_agreement.h"

#include <fmt/format.h>

#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "expo/core/error.h"

namespace expo {
namespace {

/// The number of warnings is bounded, because a checkpoint may hold any number of copies.
constexpr std::size_t kMostNamed = 8;

/// The tensors in the files that the index assigns them to, by name.
std::unordered_set<std::string_view> tensors_in_place(const WeightFiles& weights,
                                                      const std::vector<Tensor>& tensors,
                                                      const std::vector<std::size_t>& file_of) {
  std::unordered_set<std::string_view> result;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto assigned = weights.weight_map.find(tensors[i].name);
    if (assigned != weights.weight_map.end() && assigned->second == file_of[i]) {
      result.insert(tensors[i].name);
    }
  }
  return result;
}

}  // namespace

std::vector<bool> find_stale_copies(const WeightFiles& weights, const std::vector<Tensor>& tensors,
                                    const std::vector<std::size_t>& file_of,
                                    std::vector<std::string>& warnings) {
  std::vector<bool> stale(tensors.size(), false);
  if (weights.index.empty()) return stale;
  const auto in_place = tensors_in_place(weights, tensors, file_of);
  const auto name_of = [&](std::size_t file) { return weights.files[file].filename().string(); };
  std::size_t found = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::string& name = tensors[i].name;
    if (!in_place.contains(name) || weights.weight_map.at(name) == file_of[i]) continue;
    stale[i] = true;
    if (++found > kMostNamed) continue;
    warnings.push_back(fmt::format(
        "{}: the tensor \"{}\" is also in {}, to which the index does not assign it; that copy was "
        "ignored, and the one in {} was used",
        weights.index.string(), name, name_of(file_of[i]), name_of(weights.weight_map.at(name))));
  }
  if (found > kMostNamed) {
    warnings.push_back(fmt::format("{}: {} more tensors have such copies, which were also ignored",
                                   weights.index.string(), found - kMostNamed));
  }
  return stale;
}

void check_no_copies(const WeightFiles& weights, const std::vector<Tensor>& tensors,
                     const std::vector<std::size_t>& file_of) {
  if (weights.files.size() < 2) return;
  std::unordered_map<std::string_view, std::size_t> found;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto [first, is_new] = found.emplace(tensors[i].name, file_of[i]);
    if (is_new) continue;
    throw input_error(fmt::format(
        "{}: the tensor \"{}\" occurs twice, in {} and in {}, and no index says which one counts",
        weights.files.front().string(), tensors[i].name, weights.files[first->second].string(),
        weights.files[file_of[i]].string()));
  }
}

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
