#include "infer/kernels/f32-winograd.h"
#include "infer/kernels/vector-avx512.h"

namespace fovea {

void add_f32_winograd_avx512(KernelTable& table) { add_f32_winograd<Avx512>(table); }

}  // namespace fovea
