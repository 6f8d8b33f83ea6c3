#pragma once

#include <cstdint>
#include <string_view>

namespace expo {

/// Told how work goes on that makes or reads tokens for the rows of a data set. Called from several
/// threads at once.
class RowProgress {
 public:
  virtual ~RowProgress() = default;
  virtual void begin(std::string_view what, std::uint64_t rows) = 0;
  virtual void advance_tokens(std::uint64_t tokens) = 0;
  virtual void advance_rows(std::uint64_t rows) = 0;
  virtual void end() = 0;
};

}  // namespace expo
