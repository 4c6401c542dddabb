// The inner loops of training, one table per instruction set. Drivers (op_*.cc) handle shapes and threads; these loops
// handle rows of floats only.
#pragma once
#include "infer/kernels/kernel-table.h"

namespace fovea::train {

// Register tile: kTileRows pixels (or input channels) by kTileColumns channels.
constexpr long kTileRows = 6;
constexpr long kTileColumns = 16;
// Channels of the input that a weight gradient packs side by side.
constexpr long kSlice = 4 * kTileRows;

struct Kernels {
  const char* name;

  // c[row][0..columns) (+)= sum over taps and k < run of a[tap * kTileRows + row][k] * b[(tap * run + k) * kTileColumns + column].
  // All kTileRows pointers of `a` must be readable; only the first `rows` of `c` are written.
  void (*gemm)(const float* const* a, long taps, long run, const float* b, float* const* c, long rows, long columns,
               bool accumulate);

  // w[row * w_stride + column] += sum over pixels of x[pixel * kSlice + row] * dy[pixel * kTileColumns + column].
  void (*outer)(const float* x, const float* dy, long pixels, float* w, long w_stride, long rows, long columns);

  // packed[p * stride + i] = rows[p][from + i] for i < width.
  void (*gather)(const float* const* rows, long count, long from, long width, long stride, float* packed);

  // sum[c] += x, square[c] += x * x over rows of C channels.
  void (*moments)(const float* x, long rows, long C, float* sum, float* square);

  // y = x * scale + shift, clipped at zero when `relu`.
  void (*affine)(const float* x, float* y, long rows, long C, const float* scale, const float* shift, bool relu);

  // Sums that batch norm's backward pass needs: of dy and of dy * x, with dy zeroed where the ReLU clipped.
  void (*affine_sums)(const float* dy, const float* x, long rows, long C, const float* scale, const float* shift, bool relu,
                      float* sum, float* sum_x);

  // dx = dy * a + x * b + c per channel, with dy zeroed where the ReLU clipped.
  void (*affine_gradient)(const float* dy, const float* x, float* dx, long rows, long C, const float* scale,
                          const float* shift, bool relu, const float* a, const float* b, const float* c);

  // z = max(0, (x * scale + shift) * mask + identity) over `rows` pixels that share one mask value.
  void (*blend)(const float* x, const float* identity, float* z, long rows, long C, const float* scale, const float* shift,
                float mask);

  // dz is zeroed where the ReLU clipped; df = dz * mask; returns the sum of dz * (x * scale + shift).
  float (*blend_gradient)(float* dz, const float* z, const float* x, float* df, long rows, long C, const float* scale,
                          const float* shift, float mask);

  // y += a * x.
  void (*add)(const float* x, float* y, long count, float a);

  // Where x > y: y = x, index = tag.
  void (*maximum)(const float* x, float* y, int* index, int tag, long count);

  // dx += dy where index == tag.
  void (*select)(const float* dy, const int* index, int tag, float* dx, long count);

  // Sum of a * b.
  float (*dot)(const float* a, const float* b, long count);

  // One pixel of a depthwise convolution: y[c] (+)= sum over taps of rows[tap][c] * weights[tap][c].
  void (*depthwise)(const float* const* rows, const float* const* weights, long taps, float* y, long C, bool accumulate);

  // y = activation(x * scale + shift); slopes are a PReLU's, one a channel.
  void (*activate)(const float* x, float* y, long rows, long C, const float* scale, const float* shift,
                   const float* slopes, Activation kind);

  // dx = d * scale with d = dy * activation'(x * scale + shift); dscale += d * x, dshift += d, unless they are null.
  void (*activate_gradient)(const float* dy, const float* x, float* dx, long rows, long C, const float* scale,
                            const float* shift, const float* slopes, Activation kind, float* dscale, float* dshift);

  // Adam (Kingma and Ba, 2015) without weight decay: m += (1 - b1) * (g - m); v += (1 - b2) * (g * g - v);
  // w -= rate * m * correct1 / (sqrt(v * correct2) + 1e-8).
  void (*adam)(float* w, const float* g, float* m, float* v, long count, float rate, float b1, float b2, float correct1,
               float correct2);

  // SGD with Nesterov momentum and weight decay: g += decay * w; v = momentum * v + g; w -= rate * (g + momentum * v).
  void (*descend)(float* w, const float* g, float* v, long count, float rate, float momentum, float decay);
};

extern const Kernels kernels_generic;
#if defined(__x86_64__)
extern const Kernels kernels_avx2;
#endif

// The fastest table that this processor supports.
const Kernels& kernels();

}  // namespace fovea::train
