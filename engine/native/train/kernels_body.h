// The bodies behind kernels.h, compiled once per instruction set: the including file defines FOVEA_KERNELS.
// Nothing from the standard library is instantiated here, so that no wider instructions can leak into shared code.
#include "train/kernels.h"

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#endif

#include "train/activations_body.h"

// Vectors never cross a translation unit, so their calling convention does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace fovea::train {
namespace {

typedef float Vector __attribute__((vector_size(32), aligned(4), may_alias));
constexpr long kLanes = 8;

inline Vector load(const float* p) { return *reinterpret_cast<const Vector*>(p); }
inline void store(float* p, Vector v) { *reinterpret_cast<Vector*>(p) = v; }
inline Vector spread(float s) { return Vector{s, s, s, s, s, s, s, s}; }

inline Vector multiply_add(Vector a, Vector b, Vector c) {
#if defined(__AVX2__) && defined(__FMA__)
  return reinterpret_cast<Vector>(
      _mm256_fmadd_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), reinterpret_cast<__m256>(c)));
#else
  return a * b + c;
#endif
}

void gemm(const float* const* a, long taps, long run, const float* b, float* const* c, long rows, long columns,
          bool accumulate) {
  Vector sums[kTileRows][2];
#pragma GCC unroll 6
  for (long i = 0; i < kTileRows; i++) sums[i][0] = sums[i][1] = spread(0);
  for (long tap = 0; tap < taps; tap++) {
    const float* r0 = a[0];
    const float* r1 = a[1];
    const float* r2 = a[2];
    const float* r3 = a[3];
    const float* r4 = a[4];
    const float* r5 = a[5];
    a += kTileRows;
    for (long k = 0; k < run; k++, b += kTileColumns) {
      const Vector low = load(b), high = load(b + kLanes);
      const float values[kTileRows] = {r0[k], r1[k], r2[k], r3[k], r4[k], r5[k]};
#pragma GCC unroll 6
      for (long i = 0; i < kTileRows; i++) {
        const Vector value = spread(values[i]);
        sums[i][0] = multiply_add(value, low, sums[i][0]);
        sums[i][1] = multiply_add(value, high, sums[i][1]);
      }
    }
  }
  if (columns == kTileColumns) {
#pragma GCC unroll 6
    for (long i = 0; i < kTileRows; i++) {
      if (i >= rows) break;
      float* row = c[i];
      store(row, accumulate ? load(row) + sums[i][0] : sums[i][0]);
      store(row + kLanes, accumulate ? load(row + kLanes) + sums[i][1] : sums[i][1]);
    }
    return;
  }
  float tile[kTileRows][kTileColumns];
#pragma GCC unroll 6
  for (long i = 0; i < kTileRows; i++) {
    store(tile[i], sums[i][0]);
    store(tile[i] + kLanes, sums[i][1]);
  }
  for (long i = 0; i < rows; i++)
    for (long j = 0; j < columns; j++) c[i][j] = (accumulate ? c[i][j] : 0.0f) + tile[i][j];
}

template <int Rows>
void outer_rows(const float* x, const float* dy, long pixels, float* w, long w_stride, long columns) {
  Vector sums[Rows][2];
#pragma GCC unroll 6
  for (int i = 0; i < Rows; i++) sums[i][0] = sums[i][1] = spread(0);
  for (long p = 0; p < pixels; p++, x += kSlice, dy += kTileColumns) {
    const Vector low = load(dy), high = load(dy + kLanes);
#pragma GCC unroll 6
    for (int i = 0; i < Rows; i++) {
      const Vector value = spread(x[i]);
      sums[i][0] = multiply_add(value, low, sums[i][0]);
      sums[i][1] = multiply_add(value, high, sums[i][1]);
    }
  }
  float tile[kTileColumns];
#pragma GCC unroll 6
  for (int i = 0; i < Rows; i++) {
    float* row = w + i * w_stride;
    if (columns == kTileColumns) {
      store(row, load(row) + sums[i][0]);
      store(row + kLanes, load(row + kLanes) + sums[i][1]);
    } else {
      store(tile, sums[i][0]);
      store(tile + kLanes, sums[i][1]);
      for (long j = 0; j < columns; j++) row[j] += tile[j];
    }
  }
}

void outer(const float* x, const float* dy, long pixels, float* w, long w_stride, long rows, long columns) {
  switch (rows) {
    case 1: return outer_rows<1>(x, dy, pixels, w, w_stride, columns);
    case 2: return outer_rows<2>(x, dy, pixels, w, w_stride, columns);
    case 3: return outer_rows<3>(x, dy, pixels, w, w_stride, columns);
    case 4: return outer_rows<4>(x, dy, pixels, w, w_stride, columns);
    case 5: return outer_rows<5>(x, dy, pixels, w, w_stride, columns);
    default: return outer_rows<6>(x, dy, pixels, w, w_stride, columns);
  }
}

void gather(const float* const* rows, long count, long from, long width, long stride, float* packed) {
  for (long p = 0; p < count; p++, packed += stride) {
    const float* row = rows[p] + from;
    long i = 0;
    for (; i + kLanes <= width; i += kLanes) store(packed + i, load(row + i));
    for (; i < width; i++) packed[i] = row[i];
  }
}

void moments(const float* __restrict x, long rows, long C, float* __restrict sum, float* __restrict square) {
  for (long r = 0; r < rows; r++, x += C)
    for (long c = 0; c < C; c++) {
      sum[c] += x[c];
      square[c] += x[c] * x[c];
    }
}

void affine(const float* x, float* y, long rows, long C, const float* __restrict scale, const float* __restrict shift,
            bool relu) {
  const float floor = relu ? 0.0f : -__builtin_inff();
  for (long r = 0; r < rows; r++, x += C, y += C)
#pragma GCC ivdep
    for (long c = 0; c < C; c++) {
      const float value = x[c] * scale[c] + shift[c];
      // A value that is no number stays one, so that a run that diverges is noticed.
      y[c] = value < floor ? floor : value;
    }
}

void affine_sums(const float* __restrict dy, const float* __restrict x, long rows, long C, const float* __restrict scale,
                 const float* __restrict shift, bool relu, float* __restrict sum, float* __restrict sum_x) {
  const float floor = relu ? 0.0f : -__builtin_inff();
  for (long r = 0; r < rows; r++, x += C, dy += C)
    for (long c = 0; c < C; c++) {
      const float slope = x[c] * scale[c] + shift[c] > floor ? dy[c] : 0.0f;
      sum[c] += slope;
      sum_x[c] += slope * x[c];
    }
}

void affine_gradient(const float* dy, const float* x, float* dx, long rows, long C, const float* __restrict scale,
                     const float* __restrict shift, bool relu, const float* __restrict a, const float* __restrict b,
                     const float* __restrict c0) {
  const float floor = relu ? 0.0f : -__builtin_inff();
  for (long r = 0; r < rows; r++, x += C, dy += C, dx += C)
#pragma GCC ivdep
    for (long c = 0; c < C; c++) {
      const float slope = x[c] * scale[c] + shift[c] > floor ? dy[c] : 0.0f;
      dx[c] = slope * a[c] + x[c] * b[c] + c0[c];
    }
}

void blend(const float* __restrict x, const float* __restrict identity, float* __restrict z, long rows, long C,
           const float* __restrict scale, const float* __restrict shift, float mask) {
  for (long r = 0; r < rows; r++, x += C, identity += C, z += C)
    for (long c = 0; c < C; c++) {
      const float value = (x[c] * scale[c] + shift[c]) * mask + identity[c];
      z[c] = value < 0 ? 0.0f : value;
    }
}

float blend_gradient(float* __restrict dz, const float* __restrict z, const float* __restrict x, float* __restrict df,
                     long rows, long C, const float* __restrict scale, const float* __restrict shift, float mask) {
  float lanes[kLanes] = {};
  const long whole = C - C % kLanes;
  for (long r = 0; r < rows; r++, x += C, z += C, dz += C, df += C) {
    for (long c = 0; c < whole; c += kLanes)
      for (long l = 0; l < kLanes; l++) {
        const float slope = z[c + l] > 0 ? dz[c + l] : 0.0f;
        dz[c + l] = slope;
        df[c + l] = slope * mask;
        lanes[l] += slope * (x[c + l] * scale[c + l] + shift[c + l]);
      }
    for (long c = whole; c < C; c++) {
      const float slope = z[c] > 0 ? dz[c] : 0.0f;
      dz[c] = slope;
      df[c] = slope * mask;
      lanes[0] += slope * (x[c] * scale[c] + shift[c]);
    }
  }
  float sum = 0;
  for (long l = 0; l < kLanes; l++) sum += lanes[l];
  return sum;
}

void add(const float* __restrict x, float* __restrict y, long count, float a) {
  for (long i = 0; i < count; i++) y[i] += a * x[i];
}

void maximum(const float* __restrict x, float* __restrict y, int* __restrict index, int tag, long count) {
  for (long i = 0; i < count; i++) {
    const bool larger = x[i] > y[i] || x[i] != x[i];
    y[i] = larger ? x[i] : y[i];
    index[i] = larger ? tag : index[i];
  }
}

void select(const float* __restrict dy, const int* __restrict index, int tag, float* __restrict dx, long count) {
  for (long i = 0; i < count; i++) dx[i] += index[i] == tag ? dy[i] : 0.0f;
}

void descend(float* __restrict w, const float* __restrict g, float* __restrict v, long count, float rate,
             float momentum, float decay) {
  for (long i = 0; i < count; i++) {
    const float slope = g[i] + decay * w[i];
    v[i] = momentum * v[i] + slope;
    w[i] -= rate * (slope + momentum * v[i]);
  }
}

float dot(const float* __restrict a, const float* __restrict b, long count) {
  Vector sums = spread(0);
  long i = 0;
  for (; i + kLanes <= count; i += kLanes) sums = multiply_add(load(a + i), load(b + i), sums);
  float sum = 0;
  for (long l = 0; l < kLanes; l++) sum += sums[l];
  for (; i < count; i++) sum += a[i] * b[i];
  return sum;
}

void depthwise(const float* const* rows, const float* const* weights, long taps, float* y, long C, bool accumulate) {
  long c = 0;
  for (; c + kLanes <= C; c += kLanes) {
    Vector sum = accumulate ? load(y + c) : spread(0);
    for (long tap = 0; tap < taps; tap++) sum = multiply_add(load(rows[tap] + c), load(weights[tap] + c), sum);
    store(y + c, sum);
  }
  for (; c < C; c++) {
    float sum = accumulate ? y[c] : 0.0f;
    for (long tap = 0; tap < taps; tap++) sum += rows[tap][c] * weights[tap][c];
    y[c] = sum;
  }
}

void adam(float* __restrict w, const float* __restrict g, float* __restrict m, float* __restrict v, long count, float rate,
          float b1, float b2, float correct1, float correct2) {
  for (long i = 0; i < count; i++) {
    m[i] += (1 - b1) * (g[i] - m[i]);
    v[i] += (1 - b2) * (g[i] * g[i] - v[i]);
    w[i] -= rate * m[i] * correct1 / (__builtin_sqrtf(v[i] * correct2) + 1e-8f);
  }
}

}  // namespace

const Kernels FOVEA_KERNELS = {
    FOVEA_KERNELS_NAME, gemm, outer, gather, moments, affine, affine_sums, affine_gradient, blend, blend_gradient,
    add, maximum, select, dot, depthwise, activate, activate_gradient, adam, descend};

}  // namespace fovea::train
