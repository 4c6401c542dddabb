// Four float lanes of NEON (AArch64, where fused multiply-add and rounding are always present).
#pragma once
#include <arm_neon.h>

#include "infer/limits.h"

namespace fovea {

struct Neon {
  using Vector = float32x4_t;
  static constexpr TileShape shape = *find_tile_shape("neon");
  static constexpr int lanes = shape.lanes;

  static Vector zero() { return vdupq_n_f32(0); }
  static Vector broadcast(float value) { return vdupq_n_f32(value); }
  static Vector broadcast_from(const float* p) { return vld1q_dup_f32(p); }
  static Vector load(const float* p) { return vld1q_f32(p); }
  static void store(float* p, Vector v) { vst1q_f32(p, v); }
  static Vector multiply_add(Vector a, Vector b, Vector c) { return vfmaq_f32(c, a, b); }
  static void accumulate(Vector& sum, Vector a, Vector b) { sum = multiply_add(a, b, sum); }
  static Vector add(Vector a, Vector b) { return vaddq_f32(a, b); }
  static Vector subtract(Vector a, Vector b) { return vsubq_f32(a, b); }
  static Vector multiply(Vector a, Vector b) { return vmulq_f32(a, b); }
  static Vector divide(Vector a, Vector b) { return vdivq_f32(a, b); }
  static Vector maximum(Vector bound, Vector v) { return vmaxq_f32(bound, v); }
  static Vector minimum(Vector bound, Vector v) { return vminq_f32(bound, v); }
  // Exponents that have a power of two.
  static Vector within_powers(Vector t) { return maximum(broadcast(-126.0f), minimum(broadcast(127.0f), t)); }
  // t less the whole number below it.
  static Vector fraction(Vector t) { return subtract(t, vrndmq_f32(t)); }
  // v * 2^(the whole number below t)
  static Vector scale(Vector v, Vector t) {
    return multiply(v, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtmq_s32_f32(t), vdupq_n_s32(127)), 23)));
  }
  static float sum(Vector v) { return vaddvq_f32(v); }
  static float most(Vector v) { return vmaxvq_f32(v); }
  static Vector load_first(const float* p, int count) {
    float lane[lanes] = {};
    for (int i = 0; i < count; i++) lane[i] = p[i];
    return load(lane);
  }
  static void store_first(float* p, Vector v, int count) {
    float lane[lanes];
    store(lane, v);
    for (int i = 0; i < count; i++) p[i] = lane[i];
  }
};

}  // namespace fovea
