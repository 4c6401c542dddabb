// AVX2 with fused multiply-add.
#define FOVEA_KERNELS kernels_avx2
#define FOVEA_KERNELS_NAME "avx2"
#include "train/kernels_body.h"
