#pragma once

#include <gtest/gtest.h>

#include <string>

namespace expo {

/// For EXPECT_TRUE: on failure it shows the text that lacks the part.
inline testing::AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "\"" << part << "\" is not in: " << text;
}

}  // namespace expo
