#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "expo/cli/options/machine_options.h"
#include "expo/cli/options/server_options.h"
#include "expo/engine/engine_spec.h"

namespace expo {

/// A word that names a model: one that runs here, or one that a server runs.
struct EngineWord {
  std::optional<ServerKind> server;  ///< std::nullopt: it runs here
  std::string where;                 ///< the model, or the server's URL
  std::string served;                ///< the name of the model at the server; may be empty
  std::vector<std::string> further;  ///< URLs of further servers with the same model
};

/// Reads MODEL, embedded=MODEL, or KIND=URL[,URL…][#NAME] with one of the kinds of servers. Throws
/// Error(usage) beginning with `option` for an unknown kind before a URL, and for an address that
/// is none.
EngineWord parse_engine_word(const std::string& word, const std::string& option);

/// The servers of such a word, asked as the options say.
ServedSpec served_spec_of(const EngineWord& word, const MachineOptions& machine,
                          const ServerOptions& server);

/// The engine of a model that is named by such a word, beside the command's own. Its template is
/// told `moment`.
EngineSpec spec_of_model(const std::string& word, const std::string& option,
                         const MachineOptions& machine, const ServerOptions& server,
                         std::optional<std::int64_t> moment);

}  // namespace expo
