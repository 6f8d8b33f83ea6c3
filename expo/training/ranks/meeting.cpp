#include "expo/training/ranks/meeting.h"

#include <fmt/format.h>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <vector>

#include "expo/core/error.h"
#include "expo/core/json.h"

namespace expo {
namespace {

std::string key_of(int rank) {
  return fmt::format("introduction/{}", rank);
}

void compare_backends(const std::vector<RankIntroduction>& all) {
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    const auto describe = [](const RankIntroduction& one) {
      return fmt::format("{} on {}", one.backend, one.gpu.empty() ? "a CPU" : one.gpu);
    };
    const bool same =
        all[rank].backend == all[0].backend && all[rank].gpu.empty() == all[0].gpu.empty();
    if (same) continue;
    throw usage_error(
        fmt::format("rank 0 uses {} but rank {} uses {}; either all ranks must have GPUs or none, "
                    "with the same build of expo (--device cpu runs on CPUs)",
                    describe(all[0]), rank, describe(all[rank])));
  }
}

void compare_gpus(const std::vector<RankIntroduction>& all) {
  for (std::size_t one = 0; one < all.size(); ++one) {
    for (std::size_t other = one + 1; other < all.size(); ++other) {
      if (all[one].gpu.empty() || all[one].gpu != all[other].gpu) continue;
      throw usage_error(fmt::format(
          "ranks {} and {} are both on {}; each needs a GPU of its own; start one rank per GPU "
          "with torchrun or Slurm, which number them (LOCAL_RANK, SLURM_LOCALID), and leave the "
          "number out of --device",
          one, other, all[one].gpu));
    }
  }
}

/// The first rank hosts the store and must leave last, or the others would report that it had died.
void let_others_read(c10d::Store& store, int size) {
  std::vector<std::string> keys;
  for (int rank = 0; rank < size; ++rank) keys.push_back(fmt::format("met/{}", rank));
  try {
    store.wait(keys, std::chrono::seconds(5));
  } catch (const std::exception&) {
    // The others then report what they see.
  }
}

}  // namespace

void introduce(c10d::Store& store, int rank, int size, const RankIntroduction& self,
               std::chrono::milliseconds patience) {
  const std::string mine = compact_json({{"backend", self.backend}, {"gpu", self.gpu}});
  store.set(key_of(rank), std::vector<std::uint8_t>(mine.begin(), mine.end()));
  std::vector<std::string> keys;
  for (int other = 0; other < size; ++other) keys.push_back(key_of(other));
  store.wait(keys, patience);
  std::vector<RankIntroduction> all;
  for (const std::string& key : keys) {
    const std::vector<std::uint8_t> bytes = store.get(key);
    const Json json = parse_json(std::string(bytes.begin(), bytes.end()), key);
    all.push_back({json.at("backend"), json.at("gpu")});
  }
  store.set(fmt::format("met/{}", rank), std::vector<std::uint8_t>{1});
  try {
    compare_backends(all);
    compare_gpus(all);
  } catch (const Error&) {
    if (rank == 0) let_others_read(store, size);
    throw;
  }
}

}  // namespace expo
