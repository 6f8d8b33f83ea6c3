#pragma once

#include <c10/util/Exception.h>

#include "expo/core/error.h"

namespace expo {

/// Turns an exception of PyTorch into an Error(environment) for the user; if memory ran out, it
/// says what needs less.
Error describe_failure(const c10::Error& error);

}  // namespace expo
