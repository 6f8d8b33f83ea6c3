#if defined(__AVX2__)
#define EXPO_KERNELS kernels_avx2
#define EXPO_LANES 8
#define EXPO_SUMS 12
#define EXPO_ROWS 6
#include "expo/matrix/kernel_sets.h"
#include "expo/matrix/kernels_generic.h"

namespace expo {

const Kernels& avx2_kernels() {
  static const Kernels set = EXPO_KERNELS::make_kernels("avx2");
  return set;
}

}  // namespace expo
#endif
