#if defined(__AVX512F__)
#define EXPO_KERNELS kernels_avx512
#define EXPO_LANES 16
#define EXPO_SUMS 24
#define EXPO_ROWS 6
#include "expo/matrix/kernel_sets.h"
#include "expo/matrix/kernels_generic.h"

namespace expo {

const Kernels& avx512_kernels() {
  static const Kernels set = EXPO_KERNELS::make_kernels("avx512");
  return set;
}

}  // namespace expo
#endif
