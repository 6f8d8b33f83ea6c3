#include "expo/core/progress.h"

#include "expo/core/error.h"

namespace expo {

void CancellationToken::check() const {
  if (cancelled()) throw interrupted_error("interrupted");
}

}  // namespace expo
