#define EXPO_KERNELS kernels_baseline
#define EXPO_LANES 4
#define EXPO_SUMS 12
#define EXPO_ROWS 3
#include "expo/matrix/kernel_sets.h"
#include "expo/matrix/kernels_generic.h"

namespace expo {

const Kernels& baseline_kernels() {
  static const Kernels set = EXPO_KERNELS::make_kernels("baseline");
  return set;
}

}  // namespace expo
