#include "infer/kernels/f32-depthwise.h"
#include "infer/kernels/vector-neon.h"

namespace fovea {

void add_f32_depthwise_neon(KernelTable& table) { add_f32_depthwise<Neon>(table); }

}  // namespace fovea
