#include "infer/kernels/f32-igemm.h"
#include "infer/kernels/vector-avx512.h"

namespace fovea {

void add_f32_igemm_avx512(KernelTable& table) { add_f32_igemm<Avx512>(table); }

}  // namespace fovea
