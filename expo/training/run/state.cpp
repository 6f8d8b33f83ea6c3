#include "expo/training/run/state.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/core/error.h"
#include "expo/training/model/load_weights.h"
#include "expo/training/model/tensor_writer.h"

namespace expo {
namespace {

std::string optimiser_file(const RankGroup& ranks) {
  return fmt::format("optimizer_rank{}_of_{}.safetensors", ranks.rank(), ranks.size());
}

void read_tensor(const Checkpoint& file, const std::string& name, const at::Tensor& target) {
  const auto index = file.find(name);
  const bool fits = index && file.tensors()[*index].dtype == DType::f32 &&
                    file.tensors()[*index].elements() == static_cast<std::uint64_t>(target.numel());
  if (!fits)
    throw input_error(fmt::format("{}: does not hold the {} of this run", file.location(), name));
  copy_values(file, *index, target, CancellationToken());
}

/// Throws if the two settings differ, naming all differences.
void compare(const Json& here, const Json& there, const std::string& where) {
  std::vector<std::string> differences;
  for (const auto& [key, value] : here.items()) {
    if (there.contains(key) && there[key] == value) continue;
    differences.push_back(fmt::format("{} is {} now but was {}", key, compact_json(value),
                                      there.contains(key) ? compact_json(there[key]) : "not set"));
  }
  if (differences.empty()) return;
  throw usage_error(fmt::format("{}: the run cannot be resumed with these settings: {}", where,
                                fmt::join(differences, "; ")));
}

}  // namespace

void write_state(Filesystem& filesystem, const std::filesystem::path& folder,
                 const TrainingState& state, const at::Tensor& values, const AdamW& optimiser,
                 const RankGroup& ranks) {
  const NamedTensors tensors = {
      {"values", values.narrow(0, optimiser.first(), optimiser.last() - optimiser.first())},
      {"exp_avg", optimiser.first_moment()},
      {"exp_avg_sq", optimiser.second_moment()}};
  write_tensor_file(filesystem, folder / optimiser_file(ranks), tensors, DType::f32);
  if (ranks.rank() != 0) return;
  filesystem.write_text(folder / kStateFile,
                        format_json({{"global_step", state.step}, {"setting", state.setting}}));
}

TrainingState read_state(Filesystem& filesystem, const std::filesystem::path& folder,
                         const Json& setting, const at::Tensor& values, AdamW& optimiser,
                         const RankGroup& ranks) {
  const std::string where = (folder / kStateFile).string();
  const Json json = parse_json(filesystem.read_text(folder / kStateFile), where);
  if (!json.is_object() || !json.contains("global_step") || !json.contains("setting") ||
      !json["global_step"].is_number_integer())
    throw input_error(where + ": is not the state of a training run");
  compare(setting, json["setting"], where);
  TrainingState state{json["global_step"].get<std::int64_t>(), setting};
  const auto file = open_checkpoint(filesystem, (folder / optimiser_file(ranks)).string(), {}, {});
  read_tensor(*file, "values",
              values.narrow(0, optimiser.first(), optimiser.last() - optimiser.first()));
  read_tensor(*file, "exp_avg", optimiser.first_moment());
  read_tensor(*file, "exp_avg_sq", optimiser.second_moment());
  optimiser.set_steps(state.step);
  return state;
}

}  // namespace expo
