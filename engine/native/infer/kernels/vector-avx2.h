// Eight float lanes of AVX2 with fused multiply-add.
#pragma once
#include <immintrin.h>

#include "infer/limits.h"

namespace fovea {

struct Avx2 {
  using Vector = __m256;
  static constexpr TileShape shape = *find_tile_shape("avx2");
  static constexpr int lanes = shape.lanes;

  static Vector zero() { return _mm256_setzero_ps(); }
  static Vector broadcast(float value) { return _mm256_set1_ps(value); }
  static Vector broadcast_from(const float* p) { return _mm256_broadcast_ss(p); }
  static Vector load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, Vector v) { _mm256_storeu_ps(p, v); }
  static Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
  // sum += a * b. From an intrinsic, compilers make a multiply-add that overwrites a factor, and copies to restore it.
  static void accumulate(Vector& sum, Vector a, Vector b) { asm("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b)); }
  static Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static Vector subtract(Vector a, Vector b) { return _mm256_sub_ps(a, b); }
  static Vector multiply(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
  static Vector divide(Vector a, Vector b) { return _mm256_div_ps(a, b); }
  // When either operand is NaN the second one is returned: the data goes there, so that its NaN is propagated.
  static Vector maximum(Vector bound, Vector v) { return _mm256_max_ps(bound, v); }
  static Vector minimum(Vector bound, Vector v) { return _mm256_min_ps(bound, v); }
  // Exponents that have a power of two.
  static Vector within_powers(Vector t) { return maximum(broadcast(-126.0f), minimum(broadcast(127.0f), t)); }
  // t less the whole number below it.
  static Vector fraction(Vector t) { return subtract(t, _mm256_floor_ps(t)); }
  // v * 2^(the whole number below t)
  static Vector scale(Vector v, Vector t) {
    const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(_mm256_floor_ps(t)), _mm256_set1_epi32(127));
    return multiply(v, _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23)));
  }
  // Of all lanes, in pairs of pairs.
  static float sum(Vector v) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
  }
  static float most(Vector v) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
  }
  static __m256i first(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Vector load_first(const float* p, int count) { return _mm256_maskload_ps(p, first(count)); }
  static void store_first(float* p, Vector v, int count) { _mm256_maskstore_ps(p, first(count), v); }
};

}  // namespace fovea
