// Zero-filled float memory on cache-line boundaries.
#pragma once
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace fovea {

class AlignedFloats {
 public:
  AlignedFloats() = default;
  explicit AlignedFloats(size_t length) : length_(length) {
    if (length == 0) return;
    const size_t bytes = (length * sizeof(float) + alignment - 1) / alignment * alignment;
    data_ = static_cast<float*>(std::aligned_alloc(alignment, bytes));
    if (!data_) throw std::bad_alloc();
    std::memset(data_, 0, bytes);
  }
  AlignedFloats(AlignedFloats&& other) noexcept { *this = std::move(other); }
  AlignedFloats& operator=(AlignedFloats&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(length_, other.length_);
    return *this;
  }
  AlignedFloats(const AlignedFloats&) = delete;
  AlignedFloats& operator=(const AlignedFloats&) = delete;
  ~AlignedFloats() { std::free(data_); }

  float* data() { return data_; }
  const float* data() const { return data_; }
  size_t size() const { return length_; }

 private:
  static constexpr size_t alignment = 64;
  float* data_ = nullptr;
  size_t length_ = 0;
};

}  // namespace fovea
