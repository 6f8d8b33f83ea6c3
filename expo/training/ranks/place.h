#pragma once

#include <functional>
#include <optional>
#include <string>

namespace expo {

/// Looks up an environment variable.
using EnvironmentLookup = std::function<std::optional<std::string>(const std::string& name)>;

/// Where the ranks meet, and which one this is.
struct RankPlace {
  int rank = 0;
  int size = 1;
  std::string host;  ///< of the meeting point
  int port = 0;
  bool agent_store = false;  ///< torchrun holds the meeting point itself
  std::string run = "expo";  ///< tells runs apart that meet at one place by mistake
  int local_size = 1;        ///< ranks that share this machine's processors
  int local_rank = 0;        ///< which of this machine's ranks it is
};

/// From torchrun's variables (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT) or Slurm's (SLURM_PROCID,
/// SLURM_NTASKS, and of SLURM_STEP_NODELIST the first host unless MASTER_ADDR says another); one
/// rank where there are neither. Throws Error(usage) for variables that are incomplete or no
/// numbers.
RankPlace find_rank_place(const EnvironmentLookup& environment);

/// The first host of a Slurm node list: "node07" of "node[07-09,12],other3".
std::string first_host(const std::string& node_list);

}  // namespace expo
