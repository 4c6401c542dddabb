#include "infer/kernels/f32-winograd.h"
#include "infer/kernels/vector-neon.h"

namespace fovea {

void add_f32_winograd_neon(KernelTable& table) { add_f32_winograd<Neon>(table); }

}  // namespace fovea
