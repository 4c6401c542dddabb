// What tests of micro-kernels go through: instruction sets of this processor, and activations with their definitions.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "infer/kernels/kernel-table.h"

namespace fovea::test {

inline std::vector<const KernelTable*> tables() {
  std::vector<const KernelTable*> found;
  for (const char* name : {"avx512", "avx2", "neon", "portable"})
    if (const KernelTable* table = select_kernels(name)) found.push_back(table);
  return found;
}

// `slope` is the channel's of a PReLU.
inline double activated(double x, Activation activation, float slope = 0) {
  switch (activation) {
    case Activation::prelu: return x < 0 ? x * slope : x;
    case Activation::relu: return std::max(x, 0.0);
    case Activation::relu6: return std::min(std::max(x, 0.0), 6.0);
    case Activation::silu: return x / (1 + std::exp(-x));
    case Activation::hardswish: return x * std::min(std::max(x / 6 + 0.5, 0.0), 1.0);
    case Activation::sigmoid: return 1 / (1 + std::exp(-x));
    case Activation::hardsigmoid: return std::min(std::max(x / 6 + 0.5, 0.0), 1.0);
    case Activation::mish: return x * std::tanh(std::log1p(std::exp(x)));
    case Activation::gelu: return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::gelu_tanh: return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::none: return x;
    default: return x < 0 ? x * slope_of(activation) : x;
  }
}

// Every activation that no channel changes, one of them a leaky ReLU.
constexpr int activations = static_cast<int>(Activation::prelu) + 1;
// Those of convolutions, which have PReLU as well.
constexpr int convolution_activations = activations + 1;

inline Activation activation_at(int i) {
  const int kind = i % activations;
  return static_cast<Activation>(kind < activations - 1 ? kind : __builtin_bit_cast(int32_t, -0.1f));
}

inline Activation convolution_activation_at(int i) {
  const int kind = i % convolution_activations;
  return kind == activations ? Activation::prelu : activation_at(kind);
}

}  // namespace fovea::test
