#include "expo/core/version.h"

namespace expo {

std::string version() {
  return EXPO_VERSION;
}

}  // namespace expo
