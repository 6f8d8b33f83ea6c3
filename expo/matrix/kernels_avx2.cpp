#if defined(__AVX2__)
#define EXPO_KERNELS kernels_avx2
#define EXPO_PANELS_AT_ONCE 1
#include "expo/matrix/kernel_sets.h"
#include "expo/matrix/kernels_generic.h"

namespace expo {

const Kernels& avx2_kernels() {
  static const Kernels set = [] {
    Kernels made = EXPO_KERNELS::make_kernels("avx2");
    made.multiply_f32 = multiply_avx2_f32;
    made.multiply_bf16 = multiply_avx2_bf16;
    return made;
  }();
  return set;
}

}  // namespace expo
#endif
