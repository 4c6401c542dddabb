// Depthwise convolution: sums over the taps of each pixel, vectorised over channels.
#include "train/convolution_shape.h"

namespace fovea::train {
namespace {

// Weights (C, 1, KH, KW) → [tap][C].
void pack_depthwise(const Shape& s, const float* w, std::vector<float>& packed) {
  packed.resize(s.taps() * s.C);
  for (long c = 0; c < s.C; c++)
    for (long tap = 0; tap < s.taps(); tap++) packed[tap * s.C + c] = w[c * s.taps() + tap];
}

}  // namespace

void depthwise_forward(const Shape& s, Op& op, Team& team) {
  pack_depthwise(s, op.floats(1), op.packed);
  const float *x = op.floats(0), *w = op.packed.data();
  team.run(s.N * s.OH, [&](long row) {
    const float *rows[kMostTaps], *weights[kMostTaps];
    const long n = row / s.OH, top = row % s.OH * s.SH - s.PT;
    for (long ox = 0; ox < s.OW; ox++) {
      long taps = 0;
      for (long ky = 0; ky < s.KH; ky++) {
        const long iy = top + ky * s.DH;
        if (iy < 0 || iy >= s.H) continue;
        for (long kx = 0; kx < s.KW; kx++) {
          const long ix = ox * s.SW - s.PL + kx * s.DW;
          if (ix < 0 || ix >= s.W) continue;
          rows[taps] = x + ((n * s.H + iy) * s.W + ix) * s.C;
          weights[taps++] = w + (ky * s.KW + kx) * s.C;
        }
      }
      kernels().depthwise(rows, weights, taps, op.floats(2) + (row * s.OW + ox) * s.C, s.C, s.accumulate != 0);
    }
  });
}

void depthwise_gradient(const Shape& s, Op& op, Team& team) {
  pack_depthwise(s, op.floats(1), op.packed);
  const float *dy = op.floats(0), *w = op.packed.data();
  team.run(s.N * s.H, [&](long row) {
    const float *rows[kMostTaps], *weights[kMostTaps];
    const long n = row / s.H, iy = row % s.H;
    for (long ix = 0; ix < s.W; ix++) {
      long taps = 0;
      for (long ky = 0; ky < s.KH; ky++) {
        const long oy = iy + s.PT - ky * s.DH;
        if (oy < 0 || oy % s.SH != 0 || oy / s.SH >= s.OH) continue;
        for (long kx = 0; kx < s.KW; kx++) {
          const long ox = ix + s.PL - kx * s.DW;
          if (ox < 0 || ox % s.SW != 0 || ox / s.SW >= s.OW) continue;
          rows[taps] = dy + ((n * s.OH + oy / s.SH) * s.OW + ox / s.SW) * s.C;
          weights[taps++] = w + (ky * s.KW + kx) * s.C;
        }
      }
      kernels().depthwise(rows, weights, taps, op.floats(2) + (row * s.W + ix) * s.C, s.C, s.accumulate != 0);
    }
  });
}

}  // namespace fovea::train
