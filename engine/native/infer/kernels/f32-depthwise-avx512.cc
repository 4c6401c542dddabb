#include "infer/kernels/f32-depthwise.h"
#include "infer/kernels/vector-avx512.h"

namespace fovea {

void add_f32_depthwise_avx512(KernelTable& table) { add_f32_depthwise<Avx512>(table); }

}  // namespace fovea
