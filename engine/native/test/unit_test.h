// Just enough to write tests of the native code's parts: cases by name, values compared, seeded numbers.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace fovea::test {

struct Case {
  std::string name;
  std::function<void()> run;
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

inline int& failures() {
  static int count = 0;
  return count;
}

struct Register {
  Register(const char* name, std::function<void()> run) { cases().push_back({name, std::move(run)}); }
};

#define FOVEA_JOIN_(a, b) a##b
#define FOVEA_JOIN(a, b) FOVEA_JOIN_(a, b)
// TEST("what holds") { ... }
#define TEST(name)                                                                              \
  static void FOVEA_JOIN(test_, __LINE__)();                                                    \
  static ::fovea::test::Register FOVEA_JOIN(register_, __LINE__)(name, FOVEA_JOIN(test_, __LINE__)); \
  static void FOVEA_JOIN(test_, __LINE__)()

inline void fail(const std::string& what) {
  if (failures()++ < 20) std::printf("    %s\n", what.c_str());
}

inline void expect(bool condition, const std::string& what) {
  if (!condition) fail(what);
}

// Equal but for rounding: `tolerance` relative to the larger, or to 1.
inline void expect_near(float actual, double wanted, const std::string& what, double tolerance = 1e-5) {
  const double scale = std::max(1.0, std::fabs(wanted));
  if (!(std::fabs(actual - wanted) <= tolerance * scale))
    fail(what + ": " + std::to_string(actual) + ", " + std::to_string(wanted) + " wanted");
}

// A small generator with a seed, the same on every machine.
class Numbers {
 public:
  explicit Numbers(uint64_t seed) : state_(seed * 2862933555777941757ull + 3037000493ull) {}
  int below(int n) { return static_cast<int>(next() % static_cast<uint64_t>(n)); }
  float value() { return static_cast<float>(next() >> 11) / static_cast<float>(1ull << 52) - 1.0f; }
  std::vector<float> values(size_t count) {
    std::vector<float> list(count);
    for (float& v : list) v = value();
    return list;
  }

 private:
  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  uint64_t state_;
};

}  // namespace fovea::test
