#pragma once

#include <string>

#include "expo/served/dialect.h"

namespace expo {

/// Looks in the server's list (GET /v1/models) for the model of this name, which may be that of
/// requests or the folder that it was read from; without a name, for the only one. Throws
/// Error(input) naming those that are served if it is not there, or if several are and none is
/// named. A server without the list is believed to have a model that is named.
ServedModel find_served_model(const ServerFacts& facts, const std::string& name);

}  // namespace expo
