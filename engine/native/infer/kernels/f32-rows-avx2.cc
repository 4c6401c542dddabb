#include "infer/kernels/f32-rows.h"
#include "infer/kernels/vector-avx2.h"

namespace fovea {

void add_f32_rows_avx2(KernelTable& table) { add_f32_rows<Avx2>(table); }

}  // namespace fovea
