// How far back a buffer was last used, in bytes that have passed through the caches since: what they still hold of it.
#pragma once
#include <cstddef>
#include <vector>

namespace fovea {

class Traffic {
 public:
  explicit Traffic(size_t buffers) : used_at_(buffers, -1) {}

  // Bytes since `buffer` was last used, by instructions that are settled; 0 for one that nothing has used yet.
  double since(int buffer) const {
    const double at = used_at_[static_cast<size_t>(buffer)];
    return at < 0 ? 0 : passed_ - at;
  }

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
  double passed_ = 0, moving_ = 0;
  std::vector<double> used_at_;
  std::vector<int> in_use_;
};

}  // namespace fovea
