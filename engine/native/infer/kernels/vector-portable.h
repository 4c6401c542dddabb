// Four float lanes by the compiler's vector extension, for any processor.
#pragma once
#include "infer/limits.h"

namespace fovea {

struct Portable {
  typedef float Vector __attribute__((vector_size(16)));
  typedef int Integers __attribute__((vector_size(16)));
  static constexpr TileShape shape = *find_tile_shape("portable");
  static constexpr int lanes = shape.lanes;

  static Vector zero() { return Vector{}; }
  static Vector broadcast(float value) { return Vector{value, value, value, value}; }
  static Vector broadcast_from(const float* p) { return broadcast(*p); }
  static Vector load(const float* p) {
    Vector v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
  }
  static void store(float* p, Vector v) { __builtin_memcpy(p, &v, sizeof v); }
  static Vector multiply_add(Vector a, Vector b, Vector c) { return a * b + c; }
  static void accumulate(Vector& sum, Vector a, Vector b) { sum = multiply_add(a, b, sum); }
  static Vector add(Vector a, Vector b) { return a + b; }
  static Vector subtract(Vector a, Vector b) { return a - b; }
  static Vector multiply(Vector a, Vector b) { return a * b; }
  static Vector divide(Vector a, Vector b) { return a / b; }
  static Vector maximum(Vector bound, Vector v) { return choose(bound > v, bound, v); }
  static Vector minimum(Vector bound, Vector v) { return choose(bound < v, bound, v); }
  // Exponents that have a power of two.
  static Vector within_powers(Vector t) { return maximum(broadcast(-126.0f), minimum(broadcast(127.0f), t)); }
  // t less the whole number below it.
  static Vector fraction(Vector t) {
    Vector r{};
    for (int i = 0; i < lanes; i++) r[i] = t[i] - __builtin_floorf(t[i]);
    return r;
  }
  // v * 2^(the whole number below t)
  static Vector scale(Vector v, Vector t) {
    Integers bits{};
    // Of NaN there is no integer; what it is multiplied with stays NaN.
    for (int i = 0; i < lanes; i++)
      bits[i] = ((t[i] == t[i] ? static_cast<int>(__builtin_floorf(t[i])) : 0) + 127) << 23;
    return v * reinterpret_cast<Vector>(bits);
  }
  static float sum(Vector v) { return (v[0] + v[2]) + (v[1] + v[3]); }
  static float most(Vector v) {
    float most = v[0];
    for (int i = 1; i < lanes; i++) most = v[i] > most ? v[i] : most;
    return most;
  }
  static Vector load_first(const float* p, int count) {
    Vector v{};
    for (int i = 0; i < count; i++) v[i] = p[i];
    return v;
  }
  static void store_first(float* p, Vector v, int count) {
    for (int i = 0; i < count; i++) p[i] = v[i];
  }

 private:
  static Vector choose(Integers where, Vector yes, Vector no) {
    return reinterpret_cast<Vector>((where & reinterpret_cast<Integers>(yes)) |
                                    (~where & reinterpret_cast<Integers>(no)));
  }
};

}  // namespace fovea
