#include "infer/kernels/f32-rows.h"
#include "infer/kernels/vector-avx512.h"

namespace fovea {

void add_f32_rows_avx512(KernelTable& table) { add_f32_rows<Avx512>(table); }

}  // namespace fovea
