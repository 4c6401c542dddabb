#include "infer/kernels/f32-rows.h"
#include "infer/kernels/vector-portable.h"

namespace fovea {

void add_f32_rows_portable(KernelTable& table) { add_f32_rows<Portable>(table); }

}  // namespace fovea
