// Sixteen float lanes of AVX-512.
#pragma once
// GCC 12's own AVX-512 header initialises "undefined" vectors with themselves and then warns about it.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "infer/limits.h"

namespace fovea {

struct Avx512 {
  using Vector = __m512;
  static constexpr TileShape shape = *find_tile_shape("avx512");
  static constexpr int lanes = shape.lanes;

  static Vector zero() { return _mm512_setzero_ps(); }
  static Vector broadcast(float value) { return _mm512_set1_ps(value); }
  static Vector broadcast_from(const float* p) { return _mm512_set1_ps(*p); }
  static Vector load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, Vector v) { _mm512_storeu_ps(p, v); }
  static Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
  // sum += a * b. From an intrinsic, compilers make a multiply-add that overwrites a factor, and copies to restore it.
  static void accumulate(Vector& sum, Vector a, Vector b) { asm("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b)); }
  static Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static Vector subtract(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
  static Vector multiply(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
  static Vector divide(Vector a, Vector b) { return _mm512_div_ps(a, b); }
  static Vector maximum(Vector bound, Vector v) { return _mm512_max_ps(bound, v); }
  static Vector minimum(Vector bound, Vector v) { return _mm512_min_ps(bound, v); }
  // Exponents of any size have a power of two: 0 and infinity are such.
  static Vector within_powers(Vector t) { return t; }
  // t less the whole number below it; 0 of infinity.
  static Vector fraction(Vector t) { return _mm512_reduce_ps(t, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
  // v * 2^(the whole number below t)
  static Vector scale(Vector v, Vector t) { return _mm512_scalef_ps(v, t); }
  // Of all lanes, in pairs of pairs.
  static float sum(Vector v) { return _mm512_reduce_add_ps(v); }
  static float most(Vector v) { return _mm512_reduce_max_ps(v); }
  static __mmask16 first(int count) { return static_cast<__mmask16>((1u << count) - 1u); }
  static Vector load_first(const float* p, int count) { return _mm512_maskz_loadu_ps(first(count), p); }
  static void store_first(float* p, Vector v, int count) { _mm512_mask_storeu_ps(p, first(count), v); }
};

}  // namespace fovea
