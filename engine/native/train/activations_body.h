// Activations and their gradients, row by row: a part of kernels_body.h, compiled with it once per instruction set.
#pragma once
#include "train/kernels.h"

namespace fovea::train {
namespace {

// e^x by range reduction and a polynomial, written so that loops over it are vectorised: relative error below 2e-7.
inline float exponential(float x) {
  x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
  const float scaled = x * 1.44269504089f;
  // Of NaN there is no integer; it stays NaN by `r`.
  const int n = scaled == scaled ? static_cast<int>(scaled + (scaled < 0 ? -0.5f : 0.5f)) : 0;
  const float whole = static_cast<float>(n);
  const float r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
  float p = 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const int bits = (n + 127) << 23;
  float power;
  __builtin_memcpy(&power, &bits, sizeof power);
  return p * power;
}

inline float clip(float x, float low, float high) { return x < low ? low : x > high ? high : x; }
inline float logistic(float x) { return 1.0f / (1.0f + exponential(-x)); }

// tanh(ln(1 + e^x)), which is 1 in float above 20.
inline float tanh_softplus(float x) {
  const float e = exponential(x < 20 ? x : 20.0f);
  const float n = e * (e + 2);
  return n / (n + 2);
}

// The normal distribution, erf by Abramowitz and Stegun 7.1.26: absolute error below 1e-7.
inline float normal(float x) {
  const float size = x < 0 ? -x : x;
  const float t = 1.0f / (1.0f + 0.3275911f * 0.70710678f * size);
  const float p = t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
  const float tail = 0.5f * p * exponential(-0.5f * x * x);
  return x < 0 ? tail : 1.0f - tail;
}

// Twice the argument of the hyperbolic tangent in the GELU that goes by it, divided by x.
inline float gelu_tanh_factor(float square) { return 1.59576912f * (1.0f + 0.044715f * square); }

// `below`: the slope of a PReLU below zero.
template <Activation Kind>
inline float value_of(float x, float below) {
  if constexpr (Kind == Activation::relu) return x < 0 ? 0.0f : x;
  if constexpr (Kind == Activation::relu6) return clip(x, 0, 6);
  if constexpr (Kind == Activation::silu) return x * logistic(x);
  if constexpr (Kind == Activation::hardswish) return x * clip(x / 6 + 0.5f, 0, 1);
  if constexpr (Kind == Activation::sigmoid) return logistic(x);
  if constexpr (Kind == Activation::hardsigmoid) return clip(x / 6 + 0.5f, 0, 1);
  if constexpr (Kind == Activation::mish) return x * tanh_softplus(x);
  if constexpr (Kind == Activation::gelu) return x * normal(x);
  if constexpr (Kind == Activation::gelu_tanh) return x * logistic(x * gelu_tanh_factor(x * x));
  if constexpr (Kind == Activation::prelu) return x > 0 ? x : below * x;
  return x;
}

template <Activation Kind>
inline float slope_of(float x, float below) {
  if constexpr (Kind == Activation::relu) return x > 0 ? 1.0f : 0.0f;
  if constexpr (Kind == Activation::relu6) return x > 0 && x < 6 ? 1.0f : 0.0f;
  if constexpr (Kind == Activation::silu) {
    const float s = logistic(x);
    return s * (1 + x * (1 - s));
  }
  if constexpr (Kind == Activation::hardswish) return x <= -3 ? 0.0f : x >= 3 ? 1.0f : x / 3 + 0.5f;
  if constexpr (Kind == Activation::sigmoid) {
    const float s = logistic(x);
    return s * (1 - s);
  }
  if constexpr (Kind == Activation::hardsigmoid) return x > -3 && x < 3 ? 1.0f / 6 : 0.0f;
  if constexpr (Kind == Activation::mish) {
    const float t = tanh_softplus(x);
    return t + x * (1 - t * t) * logistic(x);
  }
  if constexpr (Kind == Activation::gelu) return normal(x) + x * 0.39894228f * exponential(-0.5f * x * x);
  if constexpr (Kind == Activation::gelu_tanh) {
    const float square = x * x, s = logistic(x * gelu_tanh_factor(square));
    return s + x * s * (1 - s) * 1.59576912f * (1.0f + 3 * 0.044715f * square);
  }
  if constexpr (Kind == Activation::prelu) return x > 0 ? 1.0f : below;
  return 1.0f;
}

// Calls run<Kind>() for the activation given.
template <class Run>
void for_activation(Activation kind, const Run& run) {
  switch (kind) {
    case Activation::relu: return run.template operator()<Activation::relu>();
    case Activation::relu6: return run.template operator()<Activation::relu6>();
    case Activation::silu: return run.template operator()<Activation::silu>();
    case Activation::hardswish: return run.template operator()<Activation::hardswish>();
    case Activation::sigmoid: return run.template operator()<Activation::sigmoid>();
    case Activation::hardsigmoid: return run.template operator()<Activation::hardsigmoid>();
    case Activation::mish: return run.template operator()<Activation::mish>();
    case Activation::gelu: return run.template operator()<Activation::gelu>();
    case Activation::gelu_tanh: return run.template operator()<Activation::gelu_tanh>();
    case Activation::prelu: return run.template operator()<Activation::prelu>();
    default: return run.template operator()<Activation::none>();
  }
}

// A channel's slope below zero, where the activation has one.
template <Activation Kind>
inline float below(const float* slopes, long c) {
  if constexpr (Kind == Activation::prelu) return slopes[c];
  return 0;
}

struct ActivateRows {
  const float* x;
  float* y;
  long rows, C;
  const float *scale, *shift, *slopes;
  template <Activation Kind>
  void operator()() const {
    const float* from = x;
    float* to = y;
    for (long r = 0; r < rows; r++, from += C, to += C)
#pragma GCC ivdep
      for (long c = 0; c < C; c++) to[c] = value_of<Kind>(from[c] * scale[c] + shift[c], below<Kind>(slopes, c));
  }
};

void activate(const float* x, float* y, long rows, long C, const float* scale, const float* shift,
              const float* slopes, Activation kind) {
  for_activation(kind, ActivateRows{x, y, rows, C, scale, shift, slopes});
}

struct ActivateGradientRows {
  const float *dy, *x;
  float* dx;
  long rows, C;
  const float *scale, *shift, *slopes;
  float *dscale, *dshift;
  template <Activation Kind>
  void operator()() const {
    const float *behind = dy, *from = x;
    float* to = dx;
    for (long r = 0; r < rows; r++, behind += C, from += C, to += C) {
      if (dscale) {
        float *sums = dscale, *shifts = dshift;
#pragma GCC ivdep
        for (long c = 0; c < C; c++) {
          const float d = behind[c] * slope_of<Kind>(from[c] * scale[c] + shift[c], below<Kind>(slopes, c));
          sums[c] += d * from[c];
          shifts[c] += d;
        }
      }
#pragma GCC ivdep
      for (long c = 0; c < C; c++)
        to[c] = behind[c] * slope_of<Kind>(from[c] * scale[c] + shift[c], below<Kind>(slopes, c)) * scale[c];
    }
  }
};

void activate_gradient(const float* dy, const float* x, float* dx, long rows, long C, const float* scale,
                       const float* shift, const float* slopes, Activation kind, float* dscale, float* dshift) {
  for_activation(kind, ActivateGradientRows{dy, x, dx, rows, C, scale, shift, slopes, dscale, dshift});
}

}  // namespace
}  // namespace fovea::train
