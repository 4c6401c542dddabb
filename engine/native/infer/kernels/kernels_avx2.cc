#include "infer/kernels/make_table.h"
#include "infer/kernels/tile_avx2.h"

namespace fovea {

const KernelTable* avx2_kernels() {
  static constexpr KernelTable table = make_table<Avx2>("avx2");
  return &table;
}

}  // namespace fovea
