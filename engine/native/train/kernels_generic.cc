// Baseline instruction set of the target (SSE2 on x64, NEON on arm64); also selects the table to use.
#define FOVEA_KERNELS kernels_generic
#if defined(__aarch64__)
#define FOVEA_KERNELS_NAME "neon"
#else
#define FOVEA_KERNELS_NAME "generic"
#endif
#include "train/kernels_body.h"

namespace fovea::train {

const Kernels& kernels() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return kernels_avx2;
#endif
  return kernels_generic;
}

}  // namespace fovea::train
