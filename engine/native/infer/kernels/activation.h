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
    default:
      return x;
  }
}

}  // namespace fovea
