// The matrix micro-kernel: one register tile of an indirect matrix product.
#pragma once
#include "infer/kernels/activation.h"

namespace fovea {

template <class I, int rows, int vectors>
void tile_kernel(const TileArguments& t) {
  using V = typename I::Vector;
  constexpr int width = vectors * I::lanes;
  V sum[rows][vectors];
  if (t.bias) {
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++) {
      const V bias = I::load(t.bias + v * I::lanes);
#pragma GCC unroll 16
      for (int i = 0; i < rows; i++) sum[i][v] = bias;
    }
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
      for (int v = 0; v < vectors; v++) sum[i][v] = I::load(t.sums + i * width + v * I::lanes);
  }

  const float* weight = t.weight;
  const long channels = t.channels;
  for (long tap = 0; tap < t.taps; tap++) {
    const float* row[rows];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) row[i] = t.input[tap * rows + i] + t.input_offset;
#pragma GCC unroll 4
    for (long c = 0; c < channels; c++) {
      V w[vectors];
#pragma GCC unroll 16
      for (int v = 0; v < vectors; v++) w[v] = I::load(weight + v * I::lanes);
      weight += width;
#pragma GCC unroll 16
      for (int i = 0; i < rows; i++) {
        const V x = I::broadcast_from(row[i] + c);
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++) sum[i][v] = I::multiply_add(x, w[v], sum[i][v]);
      }
    }
  }

  if (!t.output) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
      for (int v = 0; v < vectors; v++) I::store(t.sums + i * width + v * I::lanes, sum[i][v]);
    return;
  }
  const int last = t.columns - (vectors - 1) * I::lanes;
#pragma GCC unroll 16
  for (int v = 0; v < vectors; v++) {
    const bool whole = v < vectors - 1 || last == I::lanes;
    const long offset = t.output_offset + v * I::lanes;
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      V x = sum[i][v];
      if (t.residual) {
        const float* residual = t.residual[i] + offset;
        x = I::add(x, whole ? I::load(residual) : I::load_first(residual, last));
      }
      x = activate<I>(x, t.activation);
      if (whole)
        I::store(t.output[i] + offset, x);
      else
        I::store_first(t.output[i] + offset, x, last);
    }
  }
}

}  // namespace fovea
