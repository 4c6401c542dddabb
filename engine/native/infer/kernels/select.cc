#include <cstring>

#include "infer/kernels/kernel_table.h"

namespace fovea {

const KernelTable* select_kernels(const char* forced) {
  const KernelTable* candidates[3] = {};
  int count = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
#if !defined(FOVEA_WITHOUT_AVX512)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
    candidates[count++] = avx512_kernels();
#endif
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) candidates[count++] = avx2_kernels();
#elif defined(__aarch64__)
  candidates[count++] = neon_kernels();
#endif
  candidates[count++] = portable_kernels();
  if (!forced || !*forced) return candidates[0];
  for (int i = 0; i < count; i++)
    if (std::strcmp(candidates[i]->name, forced) == 0) return candidates[i];
  return nullptr;
}

}  // namespace fovea
