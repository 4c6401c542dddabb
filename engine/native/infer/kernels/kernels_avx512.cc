// GCC 12's own AVX-512 header initialises "undefined" vectors with themselves and then warns about it.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include "infer/kernels/make_table.h"
#include "infer/kernels/vector_avx512.h"

namespace fovea {

const KernelTable* avx512_kernels() {
  static constexpr KernelTable table = make_table<Avx512>("avx512");
  return &table;
}

}  // namespace fovea
