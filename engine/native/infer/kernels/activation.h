// Activations on vectors of any instruction set.
#pragma once
#include "infer/kernels/kernel-table.h"

namespace fovea {

// e^(sign x) as 2^t of the whole part of t, and a polynomial of degree 5 of the rest: relative error below 2e-7 + 9e-8 |x|. From
// very large numbers it is infinite or the largest power of two, from very small ones 0 or the smallest.
template <class I>
inline typename I::Vector exponential(typename I::Vector x, float sign = 1) {
  using V = typename I::Vector;
  const V t = I::within_powers(I::multiply(x, I::broadcast(sign * 1.44269504089f)));
  const V r = I::fraction(t);
  V p = I::broadcast(1.86713007e-3f);
  p = I::multiply_add(p, r, I::broadcast(9.01703032e-3f));
  p = I::multiply_add(p, r, I::broadcast(5.57999131e-2f));
  p = I::multiply_add(p, r, I::broadcast(0.24016445f));
  p = I::multiply_add(p, r, I::broadcast(0.69315131f));
  p = I::multiply_add(p, r, I::broadcast(1.0f));
  return I::scale(p, t);
}

template <class I>
inline typename I::Vector sigmoid(typename I::Vector x) {
  const auto one = I::broadcast(1.0f);
  return I::divide(one, I::add(one, exponential<I>(x, -1)));
}

template <class I>
inline typename I::Vector silu(typename I::Vector x) {
  return I::divide(x, I::add(I::broadcast(1.0f), exponential<I>(x, -1)));
}

template <class I>
inline typename I::Vector hardsigmoid(typename I::Vector x) {
  const auto v = I::multiply_add(x, I::broadcast(1.0f / 6), I::broadcast(0.5f));
  return I::minimum(I::broadcast(1.0f), I::maximum(I::zero(), v));
}

// x tanh(ln(1 + e^x)), rewritten in terms of e^x; above 20 it equals x in float.
template <class I>
inline typename I::Vector mish(typename I::Vector x) {
  const auto e = exponential<I>(I::minimum(I::broadcast(20.0f), x));
  const auto n = I::multiply(e, I::add(e, I::broadcast(2.0f)));
  return I::multiply(x, I::divide(n, I::add(n, I::broadcast(2.0f))));
}

// max(x, 0) - |x| erfc(|x| / sqrt 2) / 2, erfc by Abramowitz and Stegun 7.1.26: absolute error below 1.5e-7.
template <class I>
inline typename I::Vector gelu(typename I::Vector x) {
  using V = typename I::Vector;
  const V size = I::maximum(I::multiply(x, I::broadcast(-1.0f)), x);
  const V z = I::multiply(size, I::broadcast(0.70710678119f));
  const V one = I::broadcast(1.0f);
  const V t = I::divide(one, I::multiply_add(z, I::broadcast(0.3275911f), one));
  V p = I::broadcast(1.061405429f);
  p = I::multiply_add(p, t, I::broadcast(-1.453152027f));
  p = I::multiply_add(p, t, I::broadcast(1.421413741f));
  p = I::multiply_add(p, t, I::broadcast(-0.284496736f));
  p = I::multiply_add(p, t, I::broadcast(0.254829592f));
  const V tail = I::multiply(I::multiply(p, t), exponential<I>(I::multiply(z, z), -1));
  return I::subtract(I::maximum(I::zero(), x), I::multiply(I::multiply(size, I::broadcast(0.5f)), tail));
}

// x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))): a sigmoid of twice the argument.
template <class I>
inline typename I::Vector gelu_tanh(typename I::Vector x) {
  const auto square = I::multiply(x, x);
  const auto inner = I::multiply_add(square, I::broadcast(2 * 0.79788456080f * 0.044715f), I::broadcast(2 * 0.79788456080f));
  return I::divide(x, I::add(I::broadcast(1.0f), exponential<I>(I::multiply(x, inner), -1)));
}

template <class I>
inline typename I::Vector leaky(typename I::Vector x, typename I::Vector slope) {
  return I::multiply_add(I::minimum(I::zero(), x), slope, I::maximum(I::zero(), x));
}

// Calls `visit` with the function of an activation on vectors, so that loops in it choose once and not for each vector.
template <class I, class Visit>
inline void with_activation(Activation activation, Visit visit) {
  using V = typename I::Vector;
  switch (activation) {
    case Activation::relu:
      return visit([](V x) { return I::maximum(I::zero(), x); });
    case Activation::relu6:
      return visit([](V x) { return I::minimum(I::broadcast(6.0f), I::maximum(I::zero(), x)); });
    case Activation::silu:
      return visit([](V x) { return silu<I>(x); });
    case Activation::hardswish:
      return visit([](V x) { return I::multiply(x, hardsigmoid<I>(x)); });
    case Activation::sigmoid:
      return visit([](V x) { return sigmoid<I>(x); });
    case Activation::hardsigmoid:
      return visit([](V x) { return hardsigmoid<I>(x); });
    case Activation::mish:
      return visit([](V x) { return mish<I>(x); });
    case Activation::gelu:
      return visit([](V x) { return gelu<I>(x); });
    case Activation::gelu_tanh:
      return visit([](V x) { return gelu_tanh<I>(x); });
    case Activation::none:
      return visit([](V x) { return x; });
    default: {
      if (!leaks(activation)) return visit([](V x) { return x; });
      const V slope = I::broadcast(slope_of(activation));
      return visit([slope](V x) { return leaky<I>(x, slope); });
    }
  }
}

template <class I>
inline typename I::Vector activate(typename I::Vector x, Activation activation) {
  with_activation<I>(activation, [&](auto function) __attribute__((always_inline)) { x = function(x); });
  return x;
}

// Whole vectors of values in place. A function of its own: activations are long, and what calls it keeps its sums in
// registers.
template <class I>
[[gnu::noinline]] void activate_values(float* values, int count, Activation activation) {
  with_activation<I>(activation, [=](auto function) {
    for (int k = 0; k < count; k += I::lanes) I::store(values + k, function(I::load(values + k)));
  });
}

}  // namespace fovea
