// The reduction of a full AVX2 tile in inline assembly. The general version computes more addresses, and takes 1.5 %
// longer.
#pragma once
#include "infer/kernels/f32-igemm.h"
#include "infer/kernels/vector-avx2.h"

namespace fovea {

template <>
struct Reduction<Avx2, 6, 2> {
  using V = __m256;

  // One row: broadcasts `x`, multiplies it by the two vectors of weights and adds the products to the row's sums.
  // There is no memory operand: it would cost an address register for each step. That is safe, as all inputs are
  // written before the kernel is called, and everything that it writes depends on the sums.
  template <int step>
  static inline __attribute__((always_inline)) void row(const float* from, long c, V w0, V w1, V& sum0, V& sum1) {
    V x;
    asm("vbroadcastss %c6(%3,%4,4), %2\n\t"
        "vfmadd231ps %5, %2, %0\n\t"
        "vfmadd231ps %7, %2, %1"
        : "+x"(sum0), "+x"(sum1), "=&x"(x)
        : "r"(from), "r"(c), "x"(w0), "i"(step * 4), "x"(w1));
  }

  static inline void run(V (&sum)[6][2], const float* const* input, const float* weight, long channels,
                         const char* ahead, long ahead_pitch) {
    const float *r0 = input[0], *r1 = input[1], *r2 = input[2], *r3 = input[3], *r4 = input[4], *r5 = input[5];
    V a0 = sum[0][0], a1 = sum[0][1], b0 = sum[1][0], b1 = sum[1][1], c0 = sum[2][0], c1 = sum[2][1];
    V d0 = sum[3][0], d1 = sum[3][1], e0 = sum[4][0], e1 = sum[4][1], f0 = sum[5][0], f1 = sum[5][1];
#define FOVEA_STEP(step)                                  \
  {                                                       \
    const V w0 = Avx2::load(weight + (step) * 16);        \
    const V w1 = Avx2::load(weight + (step) * 16 + 8);    \
    row<step>(r0, c, w0, w1, a0, a1);                     \
    row<step>(r1, c, w0, w1, b0, b1);                     \
    row<step>(r2, c, w0, w1, c0, c1);                     \
    row<step>(r3, c, w0, w1, d0, d1);                     \
    row<step>(r4, c, w0, w1, e0, e1);                     \
    row<step>(r5, c, w0, w1, f0, f1);                     \
  }
    long c = 0;
    for (; c + ahead_steps <= channels; c += ahead_steps, weight += ahead_steps * 16) {
      __builtin_prefetch(ahead, 0, 2);
      FOVEA_STEP(0) FOVEA_STEP(1)
      __builtin_prefetch(ahead + ahead_pitch / 2, 0, 2);
      ahead += ahead_pitch;
      FOVEA_STEP(2) FOVEA_STEP(3)
    }
    for (; c < channels; c++, weight += 16) FOVEA_STEP(0)
#undef FOVEA_STEP
    sum[0][0] = a0, sum[0][1] = a1, sum[1][0] = b0, sum[1][1] = b1, sum[2][0] = c0, sum[2][1] = c1;
    sum[3][0] = d0, sum[3][1] = d1, sum[4][0] = e0, sum[4][1] = e1, sum[5][0] = f0, sum[5][1] = f1;
  }
};

}  // namespace fovea
