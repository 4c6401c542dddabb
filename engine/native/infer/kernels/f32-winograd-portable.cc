#include "infer/kernels/f32-winograd.h"
#include "infer/kernels/vector-portable.h"

namespace fovea {

void add_f32_winograd_portable(KernelTable& table) { add_f32_winograd<Portable>(table); }

}  // namespace fovea
