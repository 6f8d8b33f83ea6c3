#define EXPO_KERNELS kernels_baseline
#define EXPO_PANELS_AT_ONCE 1
#include "expo/matrix/kernel_sets.h"
#include "expo/matrix/kernels_generic.h"

namespace expo {

const Kernels& baseline_kernels() {
  static const Kernels set = EXPO_KERNELS::make_kernels("baseline");
  return set;
}

}  // namespace expo
