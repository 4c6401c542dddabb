// The matrix micro-kernel: one register tile of an indirect matrix product.
#pragma once
#include "common/cache_line.h"
#include "infer/kernels/activation.h"

namespace fovea {

// Prefetches `bytes` bytes to the second-level cache. Two lines are enough where many tiles share the work; a loop would
// delay those.
inline void fetch_lines(const char* from, long bytes) {
  __builtin_prefetch(from, 0, 2);
  __builtin_prefetch(from + bytes / 2, 0, 2);
  if (bytes > 2 * cache_line)
    for (long at = cache_line; at < bytes; at += cache_line) __builtin_prefetch(from + at, 0, 2);
}

// Multiplies `channels` values behind each row pointer by consecutive weights and adds the products up. Nearly all
// time is spent in this loop; an instruction set may have its own version of it.
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
        for (int v = 0; v < vectors; v++) I::accumulate(sum[i][v], x, w[v]);
      }
    };
    long c = 0;
    for (; c + ahead_steps <= channels; c += ahead_steps) {
      fetch_lines(ahead, ahead_pitch);
      ahead += ahead_pitch;
      // Makes the pointers opaque, which keeps the compiler from using one more register for each of the steps.
#pragma GCC unroll 16
      for (int i = 0; i < rows; i++) asm("" : "+r"(row[i]));
#pragma GCC unroll 16
      for (long k = 0; k < ahead_steps; k++) step(c + k);
    }
    for (; c < channels; c++) step(c);
  }
};

// Prefetches the lines that a tile will write while the tile is computed. Stores leave the processor in order, so one
// that misses the first-level cache delays all that follow.
template <int rows>
inline void fetch_outputs(const TileArguments& t, int tile) {
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) __builtin_prefetch(t.output[tile * rows + i] + t.output_offset, 1, 3);
  if (!t.residual) return;
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) __builtin_prefetch(t.residual[tile * rows + i] + t.output_offset, 0, 3);
}

// Adds the residual rows to the sums, applies the activation and writes the output rows.
template <class I, int rows, int vectors>
inline void finish_tile(const TileArguments& t, typename I::Vector (&sum)[rows][vectors], float* const* outputs,
                        const float* const* residuals) {
  using V = typename I::Vector;
  constexpr int width = vectors * I::lanes;
  // The whole vectors of each row, then the partial one.
  const int last = t.columns - (vectors - 1) * I::lanes;
  const bool whole = last == I::lanes;
  if (residuals) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      const float* residual = residuals[i] + t.output_offset;
#pragma GCC unroll 16
      for (int v = 0; v < vectors - 1; v++)
        sum[i][v] = I::add(sum[i][v], I::load(residual + v * I::lanes));
      constexpr int v = vectors - 1;
      const float* end = residual + v * I::lanes;
      sum[i][v] = I::add(sum[i][v], whole ? I::load(end) : I::load_first(end, last));
    }
  }
  if (t.activation == Activation::relu) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
      for (int v = 0; v < vectors; v++) sum[i][v] = I::maximum(I::zero(), sum[i][v]);
  } else if (t.activation == Activation::relu6) {
    const V most = I::broadcast(6.0f);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
      for (int v = 0; v < vectors; v++) sum[i][v] = I::minimum(most, I::maximum(I::zero(), sum[i][v]));
  } else if (t.activation == Activation::prelu) {
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++) {
      const V slope = I::load(t.slopes + v * I::lanes);
#pragma GCC unroll 16
      for (int i = 0; i < rows; i++) sum[i][v] = leaky<I>(sum[i][v], slope);
    }
  } else if (t.activation != Activation::none) {
    float values[rows * width];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
      for (int v = 0; v < vectors; v++) I::store(values + i * width + v * I::lanes, sum[i][v]);
    activate_values<I>(values, rows * width, t.activation);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
      for (int v = 0; v < vectors; v++) sum[i][v] = I::load(values + i * width + v * I::lanes);
  }
  if (whole) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
      for (int v = 0; v < vectors; v++) I::store(outputs[i] + t.output_offset + v * I::lanes, sum[i][v]);
    return;
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) {
    float* output = outputs[i] + t.output_offset;
#pragma GCC unroll 16
    for (int v = 0; v < vectors - 1; v++) I::store(output + v * I::lanes, sum[i][v]);
    constexpr int v = vectors - 1;
    I::store_first(output + v * I::lanes, sum[i][v], last);
  }
}

template <class I, int rows, int vectors>
void tile_kernel(const TileArguments& t) {
  using V = typename I::Vector;
  constexpr int width = vectors * I::lanes;
  const float* const* input = t.input;
  const long ahead_of_tap = t.channels / ahead_steps * t.ahead_pitch;
  for (int tile = 0; tile < t.tiles; tile++) {
    V sum[rows][vectors];
    float* sums = t.sums + tile * rows * width;
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
        for (int v = 0; v < vectors; v++) sum[i][v] = I::load(sums + i * width + v * I::lanes);
    }

    if (t.output) fetch_outputs<rows>(t, tile);
    const float* weight = t.weight;
    const char* ahead = t.ahead + tile * t.ahead_share;
    for (long tap = 0; tap < t.taps; tap++, input += rows) {
      const float* row[rows];
#pragma GCC unroll 16
      for (int i = 0; i < rows; i++) row[i] = input[i] + t.input_offset;
      if (t.fetches_input) {
        // Prefetches the tap after the next one: the next one's inputs would arrive too late.
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) __builtin_prefetch(input[taps_ahead * rows + i] + t.input_offset, 0, 3);
      }
      Reduction<I, rows, vectors>::run(sum, row, weight, t.channels, ahead, t.ahead_pitch);
      weight += t.channels * width;
      ahead += ahead_of_tap;
    }
    // Between the pointers of two tiles are those for the taps of the other reduction blocks.
    input += (t.taps_of_row - t.taps) * rows;

    if (t.output) {
      finish_tile<I, rows, vectors>(t, sum, t.output + tile * rows, t.residual ? t.residual + tile * rows : nullptr);
      continue;
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
      for (int v = 0; v < vectors; v++) I::store(sums + i * width + v * I::lanes, sum[i][v]);
  }
}

template <class I, int vectors, int rows>
void add_tiles(KernelTable& table) {
  table.tile[vectors - 1][rows - 1] = tile_kernel<I, rows, vectors>;
  if constexpr (rows > 1)
    add_tiles<I, vectors, rows - 1>(table);
  else if constexpr (vectors > 1)
    add_tiles<I, vectors - 1, I::shape.tile_rows>(table);
}

template <class I>
void add_f32_igemm(KernelTable& table) {
  add_tiles<I, I::shape.tile_vectors, I::shape.tile_rows>(table);
}

}  // namespace fovea
