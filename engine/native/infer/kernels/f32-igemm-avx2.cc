#include "infer/kernels/f32-igemm-avx2.h"

namespace fovea {

void add_f32_igemm_avx2(KernelTable& table) { add_f32_igemm<Avx2>(table); }

}  // namespace fovea
