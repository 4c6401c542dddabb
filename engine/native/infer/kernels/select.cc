#include <initializer_list>

#include "infer/kernels/kernel-table.h"

namespace fovea {

namespace {

using Add = void (*)(KernelTable&);

KernelTable table_of(const char* isa, Add igemm, Add depthwise, Add winograd, Add rows) {
  KernelTable table{};
  static_cast<TileShape&>(table) = *find_tile_shape(isa);
  for (const Add add : {igemm, depthwise, winograd, rows}) add(table);
  return table;
}

#define FOVEA_KERNELS(isa) \
  table_of(#isa, add_f32_igemm_##isa, add_f32_depthwise_##isa, add_f32_winograd_##isa, add_f32_rows_##isa)

// Null for instruction sets that are not compiled for this processor family, or that this processor lacks.
const KernelTable* table_named(const char* isa) {
#if defined(__x86_64__)
  __builtin_cpu_init();
#if !defined(FOVEA_WITHOUT_AVX512)
  if (same_text(isa, "avx512") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")) {
    static const KernelTable table = FOVEA_KERNELS(avx512);
    return &table;
  }
#endif
  if (same_text(isa, "avx2") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    static const KernelTable table = FOVEA_KERNELS(avx2);
    return &table;
  }
#elif defined(__aarch64__)
  if (same_text(isa, "neon")) {
    static const KernelTable table = FOVEA_KERNELS(neon);
    return &table;
  }
#endif
  if (same_text(isa, "portable")) {
    static const KernelTable table = FOVEA_KERNELS(portable);
    return &table;
  }
  return nullptr;
}

#undef FOVEA_KERNELS

}  // namespace

const KernelTable* select_kernels(const char* forced) {
  if (forced && *forced) return table_named(forced);
  for (const TileShape& shape : tile_shapes)
    if (const KernelTable* table = table_named(shape.isa)) return table;
  return nullptr;
}

}  // namespace fovea
