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

template <class I>
void depthwise_kernel(const DepthwiseArguments& d) {
  using V = typename I::Vector;
  constexpr int unroll = 4;
  long c = 0;
  for (; c + unroll * I::lanes <= d.channels; c += unroll * I::lanes) {
    V sum[unroll];
    for (int u = 0; u < unroll; u++) sum[u] = I::load(d.bias + c + u * I::lanes);
    const float* weight = d.weight + c;
    for (long tap = 0; tap < d.taps; tap++, weight += d.channels)
      for (int u = 0; u < unroll; u++)
        sum[u] = I::multiply_add(I::load(d.input[tap] + c + u * I::lanes), I::load(weight + u * I::lanes),
                                 sum[u]);
    for (int u = 0; u < unroll; u++) {
      if (d.residual) sum[u] = I::add(sum[u], I::load(d.residual + c + u * I::lanes));
      I::store(d.output + c + u * I::lanes, activate<I>(sum[u], d.activation));
    }
  }
  for (; c < d.channels; c += I::lanes) {
    const int count = d.channels - c < I::lanes ? static_cast<int>(d.channels - c) : I::lanes;
    V sum = I::load_first(d.bias + c, count);
    for (long tap = 0; tap < d.taps; tap++)
      sum = I::multiply_add(I::load_first(d.input[tap] + c, count),
                            I::load_first(d.weight + tap * d.channels + c, count), sum);
    if (d.residual) sum = I::add(sum, I::load_first(d.residual + c, count));
    I::store_first(d.output + c, activate<I>(sum, d.activation), count);
  }
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
