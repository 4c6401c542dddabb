// Zero-filled float memory on huge pages, aligned to cache lines.
#pragma once
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "common/slab.h"

namespace fovea {

class AlignedFloats {
 public:
  AlignedFloats() = default;
  explicit AlignedFloats(size_t length) : length_(length) {
    if (length == 0) return;
    const size_t wanted = length * sizeof(float);
    if (wanted < large && shares_slabs) {
      const size_t bytes = rounded(wanted, cache_line);
      auto [data, slab] = Slab::take(bytes);
      data_ = static_cast<float*>(data);
      slab_ = std::move(slab);
      std::memset(data_, 0, bytes);
      return;
    }
    const size_t alignment = wanted < large ? cache_line : huge_page;
    const size_t bytes = rounded(wanted, alignment);
    data_ = static_cast<float*>(std::aligned_alloc(alignment, bytes));
    if (!data_) throw std::bad_alloc();
    if (wanted >= large) advise_huge(data_, bytes);
    std::memset(data_, 0, bytes);
  }
  AlignedFloats(AlignedFloats&& other) noexcept { *this = std::move(other); }
  AlignedFloats& operator=(AlignedFloats&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(length_, other.length_);
    std::swap(slab_, other.slab_);
    return *this;
  }
  AlignedFloats(const AlignedFloats&) = delete;
  AlignedFloats& operator=(const AlignedFloats&) = delete;
  ~AlignedFloats() {
    if (!slab_) std::free(data_);
  }

  float* data() { return data_; }
  const float* data() const { return data_; }
  size_t size() const { return length_; }

 private:
  static constexpr size_t cache_line = 64;
  // From here on a block has huge pages of its own.
  static constexpr size_t large = size_t{1} << 20;
#if defined(__SANITIZE_ADDRESS__)
  // The sanitizer watches over the ends of what is allocated, not of its parts.
  static constexpr bool shares_slabs = false;
#else
  static constexpr bool shares_slabs = true;
#endif
  static size_t rounded(size_t bytes, size_t multiple) { return (bytes + multiple - 1) / multiple * multiple; }

  float* data_ = nullptr;
  size_t length_ = 0;
  std::shared_ptr<Slab> slab_;  // none where the block is an allocation of its own
};

}  // namespace fovea
