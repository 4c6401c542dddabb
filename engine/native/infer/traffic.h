// How far back a buffer was last used, in bytes that have passed through the caches since: what they still hold of it.
#pragma once
#include <cstddef>
#include <vector>

namespace fovea {

class Traffic {
 public:
  // `run_bytes` pass from one use of a buffer to the same use in the next run.
  Traffic(size_t buffers, double run_bytes) : run_bytes_(run_bytes), used_at_(buffers, -1) {}

  // Bytes since `buffer` was last used, by instructions that are settled: in the run before, if not yet in this one.
  double since(int buffer) const {
    const double at = used_at_[static_cast<size_t>(buffer)];
    return at < 0 ? run_bytes_ : passed_ - at;
  }

  // Somebody else has just used a buffer.
  void touch(int buffer) { used_at_[static_cast<size_t>(buffer)] = passed_; }

  // The instruction in hand moves so many bytes of a buffer, or of weights.
  void use(int buffer, double bytes) {
    moving_ += bytes;
    in_use_.push_back(buffer);
  }
  void weigh(double bytes) { moving_ += bytes; }

  // The instruction in hand is over: what it has used was used just now.
  void settle() {
    passed_ += moving_;
    moving_ = 0;
    for (const int buffer : in_use_) used_at_[static_cast<size_t>(buffer)] = passed_;
    in_use_.clear();
  }

 private:
  double run_bytes_, passed_ = 0, moving_ = 0;
  std::vector<double> used_at_;
  std::vector<int> in_use_;
};

}  // namespace fovea
