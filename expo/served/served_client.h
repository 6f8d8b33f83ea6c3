#pragma once

#include <string>
#include <vector>

#include "expo/engine/engine_spec.h"
#include "expo/http/http_client.h"

namespace expo {

/// The addresses of all servers of a spec.
std::vector<std::string> all_urls(const ServedSpec& spec);

/// How the requests of a spec are sent.
HttpOptions http_options(const ServedSpec& spec);
/// How a server is told to read a checkpoint, which takes as long as it takes, and fails again
/// where it has failed.
HttpOptions reload_options(const ServedSpec& spec);

}  // namespace expo
