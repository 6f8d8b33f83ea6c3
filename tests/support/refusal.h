#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "expo/core/error.h"

namespace expo {

/// The message of the error that `work` throws, which must have this category. The test fails if
/// nothing is thrown.
template <typename Work>
std::string refusal(ErrorCategory category, Work&& work) {
  try {
    std::forward<Work>(work)();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), category) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

}  // namespace expo
