#include "infer/kernels/make_table.h"
#include "infer/kernels/vector_neon.h"

namespace fovea {

const KernelTable* neon_kernels() {
  static constexpr KernelTable table = make_table<Neon>("neon");
  return &table;
}

}  // namespace fovea
