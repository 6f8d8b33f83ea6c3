#pragma once

#include <memory>
#include <string>
#include <vector>

#include "expo/engine/engine.h"
#include "expo/engine/engine_spec.h"

namespace expo {

/// A server of a pool.
struct PooledServer {
  std::string address;
  std::unique_ptr<Engine> engine;
};

/// Makes several servers of one model one engine: rows are shared among them, and a move to α is
/// one of all. A server that fails by its environment (it is not reached any more, its requests
/// fail again and again) is left out from then on, its rows are asked of the others, and a warning
/// names it; when none is left, its failure is thrown. `batch` is the most rows that a server is
/// given at once.
///
/// There must be a server, and `lost` are those that could not be opened, one sentence each. The
/// servers that `shared` has as left out are left out without a word, as long as one is left, and
/// what this pool leaves out is added there. Throws Error(input) if the servers do not say the same
/// of their model. Sinks are called from other threads, one call at a time.
std::unique_ptr<Engine> pool_servers(std::vector<PooledServer> servers,
                                     std::vector<std::string> lost, std::size_t batch,
                                     std::shared_ptr<SharedServers> shared = {});

}  // namespace expo
