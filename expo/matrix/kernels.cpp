#include "expo/matrix/kernels.h"

#include <algorithm>
#include <cstdlib>

#include "expo/matrix/kernel_sets.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace expo {
namespace {

#if defined(__x86_64__)
/// The processor's features, read from CPUID directly because not every compiler's
/// __builtin_cpu_supports knows them.
struct Features {
  Features() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d) != 0) avx512_bf16 = (a & 1U << 5) != 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0)
      amx_bf16 = (d & 1U << 22) != 0 && (d & 1U << 24) != 0;
  }
  bool avx512_bf16 = false;
  bool amx_bf16 = false;
};

void add_wider_sets(std::vector<const Kernels*>& sets) {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return;
  sets.push_back(&avx2_kernels());
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
    return;
  sets.push_back(&avx512_kernels());
  static const Features features;
  const auto with_products = [](std::string_view name, void (*multiply)(const Product&)) {
    Kernels set = avx512_kernels();
    set.name = name;
    set.left_of_bf16 = DType::bf16;
    set.multiply_bf16 = multiply;
    return set;
  };
  static const Kernels avx512_bf16 = with_products("avx512_bf16", multiply_avx512_bf16);
  static const Kernels amx = with_products("amx", multiply_amx);
  if (features.avx512_bf16) sets.push_back(&avx512_bf16);
  if (features.amx_bf16 && may_use_amx()) sets.push_back(&amx);
}
#else
void add_wider_sets(std::vector<const Kernels*>&) {}
#endif

const Kernels& chosen() {
  const auto& sets = available_kernels();
  const char* word = std::getenv("EXPO_ISA");
  if (word == nullptr) return *sets.back();
  const std::string_view name = std::string_view(word) == "scalar" ? "baseline" : word;
  const auto found = std::ranges::find(sets, name, &Kernels::name);
  return found == sets.end() ? *sets.back() : **found;
}

}  // namespace

const std::vector<const Kernels*>& available_kernels() {
  static const std::vector<const Kernels*> sets = [] {
    std::vector<const Kernels*> all = {&baseline_kernels()};
    add_wider_sets(all);
    return all;
  }();
  return sets;
}

const Kernels& kernels() {
  static const Kernels& set = chosen();
  return set;
}

}  // namespace expo
