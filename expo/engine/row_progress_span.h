#pragma once

#include <cstdint>
#include <string_view>

#include "expo/core/progress.h"

namespace expo {

/// Spans progress from begin() to end(). end() is also called on failure and interruption, so that
/// no progress bar stays on the line where the error is printed. `progress` may be null.
class RowProgressSpan {
 public:
  RowProgressSpan(RowProgress* progress, std::string_view what, std::uint64_t rows)
      : progress_(progress) {
    if (progress_ != nullptr) progress_->begin(what, rows);
  }
  ~RowProgressSpan() {
    if (progress_ != nullptr) progress_->end();
  }
  RowProgressSpan(const RowProgressSpan&) = delete;
  RowProgressSpan& operator=(const RowProgressSpan&) = delete;

  void advance_tokens(std::uint64_t tokens) {
    if (progress_ != nullptr) progress_->advance_tokens(tokens);
  }
  void advance_rows(std::uint64_t rows) {
    if (progress_ != nullptr) progress_->advance_rows(rows);
  }

 private:
  RowProgress* progress_;
};

}  // namespace expo
