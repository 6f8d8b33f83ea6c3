#pragma once

#include <c10/util/Exception.h>

#include "expo/core/error.h"

namespace expo {

/// What an exception of PyTorch's means to a user: Error(environment), of memory with what needs
/// less of it.
Error describe_failure(const c10::Error& error);

}  // namespace expo
