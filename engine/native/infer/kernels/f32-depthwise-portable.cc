#include "infer/kernels/f32-depthwise.h"
#include "infer/kernels/vector-portable.h"

namespace fovea {

void add_f32_depthwise_portable(KernelTable& table) { add_f32_depthwise<Portable>(table); }

}  // namespace fovea
