// The matrix micro-kernel: one register tile of an indirect matrix product.
#pragma once
#include "infer/kernels/activation.h"

namespace fovea {

// Adds `channels` products of what stands behind each row pointer with the weights that follow each other:
// the loop in which nearly all time is spent. An instruction set may have a version of its own.
template <class I, int rows, int vectors>
struct Reduction {
  using V = typename I::Vector;

  static inline void run(V (&sum)[rows][vectors], const float* const* input, const float* weight, long channels,
                         const char* ahead, long ahead_pitch) {
    const float* row[rows];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) row[i] = input[i];
    const auto step = [&](long c) __attribute__((always_inline)) {
      V w[vectors];
#pragma GCC unroll 16
      for (int v = 0; v < vectors; v++) w[v] = I::load(weight + v * I::lanes);
      weight += vectors * I::lanes;
#pragma GCC unroll 16
      for (int i = 0; i < rows; i++) {
        const V x = I::broadcast_from(row[i] + c);
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++) sum[i][v] = I::multiply_add(x, w[v], sum[i][v]);
      }
    };
    long c = 0;
    for (; c + ahead_steps <= channels; c += ahead_steps) {
      __builtin_prefetch(ahead, 0, 2);
      ahead += ahead_pitch;
      // Opaque pointers keep the compiler from holding one more register for each of the steps.
#pragma GCC unroll 16
      for (int i = 0; i < rows; i++) asm("" : "+r"(row[i]));
#pragma GCC unroll 16
      for (long k = 0; k < ahead_steps; k++) step(c + k);
    }
    for (; c < channels; c++) step(c);
  }
};

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
  const char* ahead = t.ahead;
  for (long tap = 0; tap < t.taps; tap++) {
    const float* row[rows];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) row[i] = t.input[tap * rows + i] + t.input_offset;
    Reduction<I, rows, vectors>::run(sum, row, weight, t.channels, ahead, t.ahead_pitch);
    weight += t.channels * width;
    ahead += t.channels / ahead_steps * t.ahead_pitch;
  }

  if (!t.output) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
      for (int v = 0; v < vectors; v++) I::store(t.sums + i * width + v * I::lanes, sum[i][v]);
    return;
  }
  // Whole vectors of each row, then what is left of the last one.
  const int last = t.columns - (vectors - 1) * I::lanes;
  const bool whole = last == I::lanes;
  if (t.residual) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      const float* residual = t.residual[i] + t.output_offset;
#pragma GCC unroll 16
      for (int v = 0; v < vectors - 1; v++)
        sum[i][v] = I::add(sum[i][v], I::load(residual + v * I::lanes));
      constexpr int v = vectors - 1;
      const float* end = residual + v * I::lanes;
      sum[i][v] = I::add(sum[i][v], whole ? I::load(end) : I::load_first(end, last));
    }
  }
  if (t.activation <= Activation::relu6) {
    const V least = I::broadcast(t.activation == Activation::none ? -__builtin_inff() : 0.0f);
    const V most = I::broadcast(t.activation == Activation::relu6 ? 6.0f : __builtin_inff());
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
      for (int v = 0; v < vectors; v++) sum[i][v] = I::minimum(most, I::maximum(least, sum[i][v]));
  } else {
    // Apart, so that the sums above stay in registers.
    float values[rows * width];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
      for (int v = 0; v < vectors; v++) I::store(values + i * width + v * I::lanes, sum[i][v]);
    for (int k = 0; k < rows * width; k += I::lanes)
      I::store(values + k, activate<I>(I::load(values + k), t.activation));
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
      for (int v = 0; v < vectors; v++) sum[i][v] = I::load(values + i * width + v * I::lanes);
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) {
    float* output = t.output[i] + t.output_offset;
#pragma GCC unroll 16
    for (int v = 0; v < vectors - 1; v++) I::store(output + v * I::lanes, sum[i][v]);
    constexpr int v = vectors - 1;
    if (whole)
      I::store(output + v * I::lanes, sum[i][v]);
    else
      I::store_first(output + v * I::lanes, sum[i][v], last);
  }
}

}  // namespace fovea
