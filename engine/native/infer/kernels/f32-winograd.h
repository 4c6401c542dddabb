// The transforms of Winograd's F(2x2, 3x3): 16 products of channels give 2 x 2 outputs of a 3x3 convolution,
// where the direct way takes 36 (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016).
#pragma once
#include <algorithm>

#include "infer/kernels/activation.h"

namespace fovea {

// values = B' d B for each channel: d are the 4 x 4 inputs under a square.
template <class I, bool whole>
inline void winograd_input_vector(const float* const* window, float* values, long pitch, long c, int count) {
  using V = typename I::Vector;
  const auto load = [&](int k) { return whole ? I::load(window[k] + c) : I::load_first(window[k] + c, count); };
  const auto store = [&](int k, V v) {
    if (whole)
      I::store(values + k * pitch + c, v);
    else
      I::store_first(values + k * pitch + c, v, count);
  };
  V t[4][4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    const V d0 = load(j), d1 = load(4 + j), d2 = load(8 + j), d3 = load(12 + j);
    t[0][j] = I::subtract(d0, d2);
    t[1][j] = I::add(d1, d2);
    t[2][j] = I::subtract(d2, d1);
    t[3][j] = I::subtract(d1, d3);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    store(i * 4, I::subtract(t[i][0], t[i][2]));
    store(i * 4 + 1, I::add(t[i][1], t[i][2]));
    store(i * 4 + 2, I::subtract(t[i][2], t[i][1]));
    store(i * 4 + 3, I::subtract(t[i][1], t[i][3]));
  }
}

template <class I>
void winograd_input_kernel(const float* const* window, float* values, long pitch, long channels) {
  long c = 0;
  for (; c + I::lanes <= channels; c += I::lanes)
    winograd_input_vector<I, true>(window, values, pitch, c, I::lanes);
  if (c < channels) winograd_input_vector<I, false>(window, values, pitch, c, static_cast<int>(channels - c));
}

// outputs = activation(A' m A + bias + residual)
template <class I>
void winograd_output_kernel(const WinogradOutput& w) {
  using V = typename I::Vector;
  const int vectors = (w.columns + I::lanes - 1) / I::lanes;
  for (int v = 0; v < vectors; v++) {
    const long c = static_cast<long>(v) * I::lanes;
    V y[2][4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
      const float* m = w.products + j * w.pitch + c;
      const V m0 = I::load(m), m1 = I::load(m + 4 * w.pitch), m2 = I::load(m + 8 * w.pitch),
              m3 = I::load(m + 12 * w.pitch);
      const V middle = I::add(m1, m2);
      y[0][j] = I::add(m0, middle);
      y[1][j] = I::subtract(I::subtract(m1, m2), m3);
    }
    const V bias = I::load(w.bias + c);
    const bool has_slopes = w.activation == Activation::prelu;
    const V slope = has_slopes ? I::load(w.slopes + c) : I::zero();
    const int count = std::min(I::lanes, static_cast<int>(w.columns - c));
    const bool whole = count == I::lanes;
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
      float* output = w.output[k];
      if (!output) continue;
      const V* row = y[k / 2];
      V sum = k % 2 == 0 ? I::add(row[0], I::add(row[1], row[2]))
                         : I::subtract(I::subtract(row[1], row[2]), row[3]);
      sum = I::add(sum, bias);
      if (const float* residual = w.residual[k])
        sum = I::add(sum, whole ? I::load(residual + c) : I::load_first(residual + c, count));
      sum = has_slopes ? leaky<I>(sum, slope) : activate<I>(sum, w.activation);
      if (whole)
        I::store(output + c, sum);
      else
        I::store_first(output + c, sum, count);
    }
  }
}

template <class I>
void add_f32_winograd(KernelTable& table) {
  table.winograd_input = winograd_input_kernel<I>;
  table.winograd_output = winograd_output_kernel<I>;
}

}  // namespace fovea
