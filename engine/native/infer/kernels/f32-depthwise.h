// Depthwise convolutions: each channel has its own filter.
#pragma once
#include "infer/kernels/channels.h"

namespace fovea {

// `count` channels from `c` of every pixel; the weights of one vector of channels stay in registers.
// `tap(p, t)`, `output(p)` and `residual(p)` return the first channel of pixel p's tap t, output and residual (null
// adds nothing). `taps` is the number of taps, or 0 when it is not known at compile time.
template <class I, int taps, bool whole, class Tap, class Output, class Residual>
inline void depthwise_vector(const DepthwiseLayer& d, long pixels, long c, int count, Tap tap, Output output,
                             Residual residual) {
  using V = typename I::Vector;
  const auto load = [&](const float* p) { return whole ? I::load(p) : I::load_first(p, count); };
  const V bias = load(d.bias + c);
  const bool has_slopes = d.activation == Activation::prelu;
  const V slope = has_slopes ? load(d.slopes + c) : I::zero();
  const bool clamps = !leaks(d.activation) && d.activation <= Activation::relu6;
  const V least = I::broadcast(d.activation == Activation::none ? -__builtin_inff() : 0.0f);
  const V most = I::broadcast(d.activation == Activation::relu6 ? 6.0f : __builtin_inff());
  V weight[taps > 0 ? taps : 1];
  if constexpr (taps > 0)
#pragma GCC unroll 16
    for (int t = 0; t < taps; t++) weight[t] = load(d.weight + t * d.channels + c);
  for (long p = 0; p < pixels; p++) {
    V sum = bias;
    if constexpr (taps > 0) {
#pragma GCC unroll 16
      for (int t = 0; t < taps; t++) sum = I::multiply_add(load(tap(p, t) + c), weight[t], sum);
    } else {
      for (long t = 0; t < d.taps(); t++)
        sum = I::multiply_add(load(tap(p, t) + c), load(d.weight + t * d.channels + c), sum);
    }
    if (const float* more = residual(p)) sum = I::add(sum, load(more + c));
    sum = clamps       ? I::minimum(most, I::maximum(least, sum))
          : has_slopes ? leaky<I>(sum, slope)
                       : activate<I>(sum, d.activation);
    if (whole)
      I::store(output(p) + c, sum);
    else
      I::store_first(output(p) + c, sum, count);
  }
}

template <class I, int taps, class Tap, class Output, class Residual>
inline void depthwise_channels(const DepthwiseLayer& d, long pixels, Tap tap, Output output, Residual residual) {
  over_channels<I>(
      d.channels,
      [&](long c) { depthwise_vector<I, taps, true>(d, pixels, c, I::lanes, tap, output, residual); },
      [&](long c, int count) { depthwise_vector<I, taps, false>(d, pixels, c, count, tap, output, residual); });
}

template <class I>
void depthwise_pixels_kernel(const DepthwiseLayer& d, const DepthwisePixels& at) {
  const long taps = d.taps();
  const auto output = [&](long p) { return at.output[p]; };
  const auto residual = [&](long p) { return at.residual ? at.residual[p] : nullptr; };
  if (taps == 9)
    depthwise_channels<I, 9>(
        d, at.pixels, [&](long p, long t) { return at.input[p * 9 + t]; }, output, residual);
  else
    depthwise_channels<I, 0>(
        d, at.pixels, [&](long p, long t) { return at.input[p * taps + t]; }, output, residual);
}

template <class I>
void depthwise_run_kernel(const DepthwiseLayer& d, const DepthwiseRun& run) {
  // By value, so that the compiler keeps them in registers.
  const auto tap = [run](long p, long y, long x) {
    return run.input + p * run.pixel_pitch + y * run.row_pitch + x * run.tap_pitch;
  };
  const auto output = [out = run.output, channels = d.channels](long p) { return out + p * channels; };
  const auto residual = [more = run.residual, channels = d.channels](long p) {
    return more ? more + p * channels : nullptr;
  };
  if (d.kernel_height == 3 && d.kernel_width == 3)
    depthwise_channels<I, 9>(
        d, run.pixels, [tap](long p, long t) { return tap(p, t / 3, t % 3); }, output, residual);
  else
    depthwise_channels<I, 0>(
        d, run.pixels, [&](long p, long t) { return tap(p, t / d.kernel_width, t % d.kernel_width); }, output,
        residual);
}

template <class I>
void add_f32_depthwise(KernelTable& table) {
  table.depthwise_pixels = depthwise_pixels_kernel<I>;
  table.depthwise_run = depthwise_run_kernel<I>;
}

}  // namespace fovea
