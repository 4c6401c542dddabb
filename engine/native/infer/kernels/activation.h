// Activations on vectors of any instruction set.
#pragma once
#include "infer/kernels/kernel-table.h"

namespace fovea {

// e^x by range reduction to |r| <= ln(2)/2 and a polynomial of degree 6: relative error below 2e-7.
template <class I>
inline typename I::Vector exponential(typename I::Vector x) {
  using V = typename I::Vector;
  x = I::maximum(I::broadcast(-87.0f), I::minimum(I::broadcast(88.0f), x));
  const V n = I::round(I::multiply(x, I::broadcast(1.44269504089f)));
  V r = I::multiply_add(n, I::broadcast(-0.693359375f), x);
  r = I::multiply_add(n, I::broadcast(2.12194440e-4f), r);
  V p = I::broadcast(1.0f / 720);
  p = I::multiply_add(p, r, I::broadcast(1.0f / 120));
  p = I::multiply_add(p, r, I::broadcast(1.0f / 24));
  p = I::multiply_add(p, r, I::broadcast(1.0f / 6));
  p = I::multiply_add(p, r, I::broadcast(0.5f));
  p = I::multiply_add(p, r, I::broadcast(1.0f));
  p = I::multiply_add(p, r, I::broadcast(1.0f));
  return I::multiply(p, I::power_of_two(n));
}

template <class I>
inline typename I::Vector sigmoid(typename I::Vector x) {
  const auto one = I::broadcast(1.0f);
  return I::divide(one, I::add(one, exponential<I>(I::multiply(x, I::broadcast(-1.0f)))));
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
  const V tail = I::multiply(I::multiply(p, t), exponential<I>(I::multiply(I::multiply(z, z), I::broadcast(-1.0f))));
  return I::subtract(I::maximum(I::zero(), x), I::multiply(I::multiply(size, I::broadcast(0.5f)), tail));
}

// x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))): a sigmoid of twice the argument.
template <class I>
inline typename I::Vector gelu_tanh(typename I::Vector x) {
  const auto square = I::multiply(x, x);
  const auto inner = I::multiply_add(square, I::broadcast(2 * 0.79788456080f * 0.044715f), I::broadcast(2 * 0.79788456080f));
  return I::multiply(x, sigmoid<I>(I::multiply(x, inner)));
}

template <class I>
inline typename I::Vector leaky(typename I::Vector x, typename I::Vector slope) {
  return I::multiply_add(I::minimum(I::zero(), x), slope, I::maximum(I::zero(), x));
}

template <class I>
inline typename I::Vector activate(typename I::Vector x, Activation activation) {
  switch (activation) {
    case Activation::relu:
      return I::maximum(I::zero(), x);
    case Activation::relu6:
      return I::minimum(I::broadcast(6.0f), I::maximum(I::zero(), x));
    case Activation::silu:
      return I::multiply(x, sigmoid<I>(x));
    case Activation::hardswish:
      return I::multiply(x, hardsigmoid<I>(x));
    case Activation::sigmoid:
      return sigmoid<I>(x);
    case Activation::hardsigmoid:
      return hardsigmoid<I>(x);
    case Activation::mish:
      return mish<I>(x);
    case Activation::gelu:
      return gelu<I>(x);
    case Activation::gelu_tanh:
      return gelu_tanh<I>(x);
    case Activation::none:
      return x;
    default:
      return leaks(activation) ? leaky<I>(x, I::broadcast(slope_of(activation))) : x;
  }
}

}  // namespace fovea
