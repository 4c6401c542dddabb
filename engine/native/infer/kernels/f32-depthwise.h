// Depthwise convolutions: each channel has its own filter.
#pragma once
#include <cstddef>
#include <type_traits>

#include "infer/kernels/channels.h"
#include "infer/limits.h"

namespace fovea {

// One vector of channels of a layer, `count` of them if it is not whole.
template <class I, bool whole>
struct DepthwiseVector {
  using V = typename I::Vector;

  const DepthwiseLayer& layer;
  const long c;
  const int count;
  const V bias = load(layer.bias);
  const bool clamps = !leaks(layer.activation) && layer.activation <= Activation::relu6;
  const V least = I::broadcast(clamps && layer.activation != Activation::none ? 0.0f : -__builtin_inff());
  const V most = I::broadcast(layer.activation == Activation::relu6 ? 6.0f : __builtin_inff());

  // `row` points to the first channel of all.
  V load(const float* row) const { return whole ? I::load(row + c) : I::load_first(row + c, count); }
  V weight(long tap) const { return load(layer.weight + tap * layer.channels); }

  void store(float* row, V v) const {
    if (whole)
      I::store(row + c, v);
    else
      I::store_first(row + c, v, count);
  }

  // Adds the residual (null adds nothing) and writes what an activation that clamps makes of it.
  void finish(V sum, const float* residual, float* output) const {
    if (residual) sum = I::add(sum, load(residual));
    store(output, I::minimum(most, I::maximum(least, sum)));
  }
};

// Any pixels, by pointers to their taps.
struct ListedPixels {
  const DepthwiseLayer& layer;
  const DepthwisePixels at;

  long pixels() const { return at.pixels; }
  float* output(long p) const { return at.output[p]; }
  const float* residual(long p) const { return at.residual ? at.residual[p] : nullptr; }
  template <int taps>
  const float* tap(long p, int t) const {
    return at.input[p * taps + t];
  }
  // Calls `visit(t, of)` for every tap; `of(j)` is the tap's first channel of pixel p + j.
  template <class Visit>
  void over_taps(long p, Visit visit) const {
    const long taps = layer.taps();
    for (long t = 0; t < taps; t++) visit(t, [first = at.input + p * taps + t, taps](long j) { return first[j * taps]; });
  }
};

// Consecutive pixels of a row. The run is held by value, so that the compiler keeps it in registers.
struct ConsecutivePixels {
  const DepthwiseLayer& layer;
  const DepthwiseRun run;

  long pixels() const { return run.pixels; }
  float* output(long p) const { return run.output + p * layer.channels; }
  const float* residual(long p) const { return run.residual ? run.residual + p * layer.channels : nullptr; }
  template <int taps>
  const float* tap(long p, int t) const {
    static_assert(taps == 9, "a filter of 3 x 3");
    return run.input + p * run.pixel_pitch + t / 3 * run.row_pitch + t % 3 * run.tap_pitch;
  }
  template <class Visit>
  void over_taps(long p, Visit visit) const {
    const float* row = run.input + p * run.pixel_pitch;
    long t = 0;
    for (int y = 0; y < layer.kernel_height; y++, row += run.row_pitch) {
      const float* tap = row;
      for (int x = 0; x < layer.kernel_width; x++, tap += run.tap_pitch)
        visit(t++, [tap, pitch = run.pixel_pitch](long j) { return tap + j * pitch; });
    }
  }
};

// Filters of so few taps that the weights of a vector stay in registers.
template <class I, int taps, bool whole, class Pixels>
inline void depthwise_small(const DepthwiseVector<I, whole>& vector, const Pixels& at) {
  typename I::Vector weight[taps];
#pragma GCC unroll 16
  for (int t = 0; t < taps; t++) weight[t] = vector.weight(t);
  for (long p = 0; p < at.pixels(); p++) {
    auto sum = vector.bias;
#pragma GCC unroll 16
    for (int t = 0; t < taps; t++)
      sum = I::multiply_add(vector.load(at.template tap<taps>(p, t)), weight[t], sum);
    vector.finish(sum, at.residual(p), at.output(p));
  }
}

// Filters of any size, `together` pixels from the p-th at once: a sum waits for each of its taps, others go on.
template <class I, int together, bool whole, class Pixels>
inline void depthwise_together_at(const DepthwiseVector<I, whole>& vector, const Pixels& at, long p) {
  typename I::Vector sums[together];
#pragma GCC unroll 16
  for (int j = 0; j < together; j++) sums[j] = vector.bias;
  at.over_taps(p, [&](long t, auto tap) {
    const auto weight = vector.weight(t);
#pragma GCC unroll 16
    for (int j = 0; j < together; j++) sums[j] = I::multiply_add(vector.load(tap(j)), weight, sums[j]);
  });
#pragma GCC unroll 16
  for (int j = 0; j < together; j++) vector.finish(sums[j], at.residual(p + j), at.output(p + j));
}

template <class I, bool whole, class Pixels>
inline void depthwise_large(const DepthwiseVector<I, whole>& vector, const Pixels& at) {
  constexpr int most = limits::depthwise_pixels;
  static_assert(most == 8, "what is left of a run is summed in halves");
  long p = 0;
  for (; p + most <= at.pixels(); p += most) depthwise_together_at<I, most>(vector, at, p);
  for (; p + 4 <= at.pixels(); p += 4) depthwise_together_at<I, 4>(vector, at, p);
  for (; p + 2 <= at.pixels(); p += 2) depthwise_together_at<I, 2>(vector, at, p);
  for (; p < at.pixels(); p++) depthwise_together_at<I, 1>(vector, at, p);
}

// Activations that do not clamp take what has been written: between the sums their constants would take the weights'
// registers. A function of its own, with a vector of its own, which leaves the caller's in registers.
template <class I, bool whole, class Pixels>
[[gnu::noinline]] void activate_pixels(const DepthwiseLayer& layer, long c, int count, const Pixels& at) {
  using V = typename I::Vector;
  const DepthwiseVector<I, whole> vector{layer, c, count};
  const auto each = [&](auto function) {
    for (long p = 0; p < at.pixels(); p++) vector.store(at.output(p), function(vector.load(at.output(p))));
  };
  if (layer.activation != Activation::prelu) return with_activation<I>(layer.activation, each);
  const V slope = vector.load(layer.slopes);
  each([slope](V x) { return leaky<I>(x, slope); });
}

template <class I, class Pixels>
inline void depthwise_channels(const DepthwiseLayer& layer, const Pixels& at) {
  const bool small = layer.kernel_height == 3 && layer.kernel_width == 3;
  const auto compute = [&](auto vector, auto whole) {
    if (small)
      depthwise_small<I, 9>(vector, at);
    else
      depthwise_large<I>(vector, at);
    if (!vector.clamps) activate_pixels<I, whole>(layer, vector.c, vector.count, at);
  };
  over_channels<I>(
      layer.channels,
      [&](long c) { compute(DepthwiseVector<I, true>{layer, c, I::lanes}, std::true_type()); },
      [&](long c, int count) { compute(DepthwiseVector<I, false>{layer, c, count}, std::false_type()); });
}

template <class I>
void depthwise_pixels_kernel(const DepthwiseLayer& layer, const DepthwisePixels& at) {
  depthwise_channels<I>(layer, ListedPixels{layer, at});
}

template <class I>
[[gnu::noinline]] void depthwise_consecutive(const DepthwiseLayer& layer, const DepthwiseRun& run) {
  depthwise_channels<I>(layer, ConsecutivePixels{layer, run});
}

template <class I>
void depthwise_pairs(const DepthwiseLayer& layer, const DepthwiseRun& run) {
  const long channels = layer.channels, taps = layer.taps();
  float values[limits::paired_values];
  float* next = values;
  const auto twice = [&](const float* row) {
    for (int time = 0; time < 2; time++, next += channels)
      __builtin_memcpy(next, row, static_cast<std::size_t>(channels) * sizeof(float));
    return next - 2 * channels;
  };
  DepthwiseLayer pair = layer;
  pair.channels = 2 * channels;
  pair.bias = twice(layer.bias);
  if (layer.activation == Activation::prelu) pair.slopes = twice(layer.slopes);
  pair.weight = next;
  for (long t = 0; t < taps; t++) twice(layer.weight + t * channels);
  DepthwiseRun pairs = run;
  pairs.pixels = run.pixels / 2;
  pairs.pixel_pitch = 2 * channels;
  depthwise_consecutive<I>(pair, pairs);
  const long done = 2 * pairs.pixels;
  if (done == run.pixels) return;
  DepthwiseRun last = run;
  last.pixels = 1;
  last.input += done * channels;
  last.output += done * channels;
  if (last.residual) last.residual += done * channels;
  depthwise_consecutive<I>(layer, last);
}

template <class I>
void depthwise_run_kernel(const DepthwiseLayer& layer, const DepthwiseRun& run) {
  if (run.pixels >= limits::paired_pixels &&
      limits::pairs_pixels(layer.channels, I::lanes, layer.taps(), run.pixel_pitch))
    depthwise_pairs<I>(layer, run);
  else
    depthwise_consecutive<I>(layer, run);
}

template <class I>
void add_f32_depthwise(KernelTable& table) {
  table.depthwise_pixels = depthwise_pixels_kernel<I>;
  table.depthwise_run = depthwise_run_kernel<I>;
}

}  // namespace fovea
