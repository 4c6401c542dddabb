#include "infer/kernels/f32-winograd.h"
#include "infer/kernels/vector-avx2.h"

namespace fovea {

void add_f32_winograd_avx2(KernelTable& table) { add_f32_winograd<Avx2>(table); }

}  // namespace fovea
