// Where a map that is made larger by whole factors reads the smaller one: the counterpart of
// engine/src/network/sampling.ts.
#pragma once
#include <algorithm>
#include <cstdint>

namespace fovea {

enum class Interpolation : int32_t { nearest, half_pixel, align_corners, asymmetric, count };

// The positions around a place of an axis, and the share of the second one.
struct Sample {
  long low, high;
  float share;
};

class Sampling {
 public:
  // `extent` of the smaller map.
  Sampling(Interpolation interpolation, long extent, long factor)
      : nearest_(interpolation == Interpolation::nearest), last_(extent - 1), per_(factor) {
    if (interpolation == Interpolation::half_pixel) {
      step_ = 2;
      offset_ = 1 - factor;
      per_ = 2 * factor;
    } else if (interpolation == Interpolation::align_corners) {
      step_ = last_;
      per_ = std::max(1L, extent * factor - 1);
    }
  }

  Sample at(long position) const {
    const long place = std::clamp(step_ * position + offset_, 0L, last_ * per_);
    const long low = place / per_;
    if (nearest_) return {low, low, 0.0f};
    return {low, std::min(low + 1, last_), static_cast<float>(place % per_) / static_cast<float>(per_)};
  }

 private:
  bool nearest_;
  long last_, step_ = 1, offset_ = 0, per_;
};

}  // namespace fovea
