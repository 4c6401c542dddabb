#include "infer/kernels/f32-igemm.h"
#include "infer/kernels/vector-neon.h"

namespace fovea {

void add_f32_igemm_neon(KernelTable& table) { add_f32_igemm<Neon>(table); }

}  // namespace fovea
