#include "infer/kernels/f32-igemm.h"
#include "infer/kernels/vector-portable.h"

namespace fovea {

void add_f32_igemm_portable(KernelTable& table) { add_f32_igemm<Portable>(table); }

}  // namespace fovea
