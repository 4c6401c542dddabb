// Zero-filled float memory, aligned to cache lines; large blocks use huge pages.
#pragma once
#if defined(__linux__)
#include <sys/mman.h>
#endif

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
    const size_t wanted = length * sizeof(float);
    const size_t alignment = wanted >= large ? huge_page : cache_line;
    const size_t bytes = (wanted + alignment - 1) / alignment * alignment;
    data_ = static_cast<float*>(std::aligned_alloc(alignment, bytes));
    if (!data_) throw std::bad_alloc();
#if defined(__linux__)
    // With small pages, streaming through the block would wait for an address translation at each page.
    if (wanted >= large) madvise(data_, bytes, MADV_HUGEPAGE);
#endif
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
  static constexpr size_t cache_line = 64;
  static constexpr size_t huge_page = size_t{1} << 21;
  static constexpr size_t large = size_t{1} << 20;
  float* data_ = nullptr;
  size_t length_ = 0;
};

}  // namespace fovea
