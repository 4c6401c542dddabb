#include "infer/kernels/make_table.h"
#include "infer/kernels/vector_portable.h"

namespace fovea {

const KernelTable* portable_kernels() {
  static constexpr KernelTable table = make_table<Portable>("portable");
  return &table;
}

}  // namespace fovea
