// Micro-kernels over rows of channels: depthwise taps, additions, pools, dot products.
#pragma once
#include "infer/kernels/activation.h"

namespace fovea {

// Runs `whole(c)` for full vectors and `part(c, count)` for the rest of `length` channels.
template <class I, class Whole, class Part>
inline void over_channels(long length, Whole whole, Part part) {
  long c = 0;
  for (; c + I::lanes <= length; c += I::lanes) whole(c);
  if (c < length) part(c, static_cast<int>(length - c));
}

// `count` channels from `c` of every pixel; the weights of one vector of channels stay in registers.
template <class I, int taps, bool whole>
inline void depthwise_vector(const DepthwiseArguments& d, long c, int count) {
  using V = typename I::Vector;
  const auto load = [&](const float* p) { return whole ? I::load(p) : I::load_first(p, count); };
  const V bias = load(d.bias + c);
  const bool clamps = d.activation <= Activation::relu6;
  const V least = I::broadcast(d.activation == Activation::none ? -__builtin_inff() : 0.0f);
  const V most = I::broadcast(d.activation == Activation::relu6 ? 6.0f : __builtin_inff());
  V weight[taps > 0 ? taps : 1];
  if constexpr (taps > 0)
#pragma GCC unroll 16
    for (int t = 0; t < taps; t++) weight[t] = load(d.weight + t * d.channels + c);
  const float* const* input = d.input;
  for (long p = 0; p < d.pixels; p++, input += d.taps) {
    V sum = bias;
    if constexpr (taps > 0) {
#pragma GCC unroll 16
      for (int t = 0; t < taps; t++) sum = I::multiply_add(load(input[t] + c), weight[t], sum);
    } else {
      for (long t = 0; t < d.taps; t++)
        sum = I::multiply_add(load(input[t] + c), load(d.weight + t * d.channels + c), sum);
    }
    if (d.residual) sum = I::add(sum, load(d.residual[p] + c));
    sum = clamps ? I::minimum(most, I::maximum(least, sum)) : activate<I>(sum, d.activation);
    if (whole)
      I::store(d.output[p] + c, sum);
    else
      I::store_first(d.output[p] + c, sum, count);
  }
}

template <class I>
void depthwise_kernel(const DepthwiseArguments& d) {
  if (d.taps == 9)
    over_channels<I>(
        d.channels, [&](long c) { depthwise_vector<I, 9, true>(d, c, I::lanes); },
        [&](long c, int count) { depthwise_vector<I, 9, false>(d, c, count); });
  else
    over_channels<I>(
        d.channels, [&](long c) { depthwise_vector<I, 0, true>(d, c, I::lanes); },
        [&](long c, int count) { depthwise_vector<I, 0, false>(d, c, count); });
}

// `count` channels from `c` of every pixel of a run; height and width are the kernel's, or 0 for any.
template <class I, int height, int width, bool whole>
inline void depthwise_run_vector(const DepthwiseRun& d, long c, int count) {
  using V = typename I::Vector;
  const auto load = [&](const float* p) { return whole ? I::load(p) : I::load_first(p, count); };
  const V bias = load(d.bias + c);
  const bool clamps = d.activation <= Activation::relu6;
  const V least = I::broadcast(d.activation == Activation::none ? -__builtin_inff() : 0.0f);
  const V most = I::broadcast(d.activation == Activation::relu6 ? 6.0f : __builtin_inff());
  V weight[height > 0 ? height * width : 1];
  if constexpr (height > 0)
#pragma GCC unroll 16
    for (int t = 0; t < height * width; t++) weight[t] = load(d.weight + t * d.channels + c);
  const float* first = d.input + c;
  for (long p = 0; p < d.pixels; p++, first += d.pixel_pitch) {
    V sum = bias;
    if constexpr (height > 0) {
#pragma GCC unroll 16
      for (int y = 0; y < height; y++)
#pragma GCC unroll 16
        for (int x = 0; x < width; x++)
          sum = I::multiply_add(load(first + y * d.row_pitch + x * d.tap_pitch), weight[y * width + x], sum);
    } else {
      const float* taps = d.weight + c;
      for (int y = 0; y < d.kernel_height; y++)
        for (int x = 0; x < d.kernel_width; x++, taps += d.channels)
          sum = I::multiply_add(load(first + y * d.row_pitch + x * d.tap_pitch), load(taps), sum);
    }
    if (d.residual) sum = I::add(sum, load(d.residual + p * d.channels + c));
    sum = clamps ? I::minimum(most, I::maximum(least, sum)) : activate<I>(sum, d.activation);
    float* output = d.output + p * d.channels + c;
    if (whole)
      I::store(output, sum);
    else
      I::store_first(output, sum, count);
  }
}

template <class I>
void depthwise_run_kernel(const DepthwiseRun& d) {
  if (d.kernel_height == 3 && d.kernel_width == 3)
    over_channels<I>(
        d.channels, [&](long c) { depthwise_run_vector<I, 3, 3, true>(d, c, I::lanes); },
        [&](long c, int count) { depthwise_run_vector<I, 3, 3, false>(d, c, count); });
  else
    over_channels<I>(
        d.channels, [&](long c) { depthwise_run_vector<I, 0, 0, true>(d, c, I::lanes); },
        [&](long c, int count) { depthwise_run_vector<I, 0, 0, false>(d, c, count); });
}

template <class I>
void add_kernel(const float* a, const float* b, float* output, long length, Activation activation) {
  over_channels<I>(
      length,
      [&](long c) {
        auto x = I::load(a + c);
        if (b) x = I::add(x, I::load(b + c));
        I::store(output + c, activate<I>(x, activation));
      },
      [&](long c, int count) {
        auto x = I::load_first(a + c, count);
        if (b) x = I::add(x, I::load_first(b + c, count));
        I::store_first(output + c, activate<I>(x, activation), count);
      });
}

template <class I>
void multiply_kernel(const float* input, const float* scale, float* output, long length) {
  over_channels<I>(
      length, [&](long c) { I::store(output + c, I::multiply(I::load(input + c), I::load(scale + c))); },
      [&](long c, int count) {
        I::store_first(output + c, I::multiply(I::load_first(input + c, count), I::load_first(scale + c, count)),
                       count);
      });
}

template <class I>
void accumulate_kernel(const float* input, float* sums, long length) {
  over_channels<I>(
      length, [&](long c) { I::store(sums + c, I::add(I::load(sums + c), I::load(input + c))); },
      [&](long c, int count) {
        I::store_first(sums + c, I::add(I::load_first(sums + c, count), I::load_first(input + c, count)), count);
      });
}

template <class I>
void maximum_kernel(const float* const* rows, long count, float* output, long length) {
  const auto lowest = I::broadcast(-__builtin_inff());
  over_channels<I>(
      length,
      [&](long c) {
        auto x = lowest;
        for (long i = 0; i < count; i++) x = I::maximum(x, I::load(rows[i] + c));
        I::store(output + c, x);
      },
      [&](long c, int part) {
        auto x = lowest;
        for (long i = 0; i < count; i++) x = I::maximum(x, I::load_first(rows[i] + c, part));
        I::store_first(output + c, x, part);
      });
}

template <class I>
float dot_kernel(const float* a, const float* b, long length) {
  auto sum = I::zero();
  over_channels<I>(
      length, [&](long c) { sum = I::multiply_add(I::load(a + c), I::load(b + c), sum); },
      [&](long c, int count) {
        sum = I::multiply_add(I::load_first(a + c, count), I::load_first(b + c, count), sum);
      });
  float lane[I::lanes];
  I::store(lane, sum);
  float total = 0;
  for (int i = 0; i < I::lanes; i++) total += lane[i];
  return total;
}

}  // namespace fovea
