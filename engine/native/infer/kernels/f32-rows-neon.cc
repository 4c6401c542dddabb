#include "infer/kernels/f32-rows.h"
#include "infer/kernels/vector-neon.h"

namespace fovea {

void add_f32_rows_neon(KernelTable& table) { add_f32_rows<Neon>(table); }

}  // namespace fovea
