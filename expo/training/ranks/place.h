#pragma once

#include <functional>
#include <optional>
#include <string>

namespace expo {

/// Looks up an environment variable.
using EnvironmentLookup = std::function<std::optional<std::string>(const std::string& name)>;

/// Where the ranks meet, and which rank this is.
struct RankPlace {
  int rank = 0;
  int size = 1;
  std::string host;  ///< host of the meeting point
  int port = 0;
  bool agent_store = false;  ///< torchrun hosts the meeting point itself
  std::string run = "expo";  ///< distinguishes runs that meet at the same place by mistake
  int local_size = 1;        ///< number of ranks on this machine
  int local_rank = 0;        ///< which of this machine's ranks it is
};

/// Reads torchrun's variables (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT) or Slurm's
/// (SLURM_PROCID, SLURM_NTASKS, and the first host of SLURM_STEP_NODELIST unless MASTER_ADDR is
/// set); one rank if there are neither. Throws Error(usage) if variables are missing or are not
/// numbers.
RankPlace find_rank_place(const EnvironmentLookup& environment);

/// The first host of a Slurm node list: "node07" of "node[07-09,12],other3".
std::string first_host(const std::string& node_list);

}  // namespace expo
