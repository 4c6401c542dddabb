#include "infer/kernels/f32-depthwise.h"
#include "infer/kernels/vector-avx2.h"

namespace fovea {

void add_f32_depthwise_avx2(KernelTable& table) { add_f32_depthwise<Avx2>(table); }

}  // namespace fovea
