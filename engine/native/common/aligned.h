// Zero-filled float memory on huge pages, aligned to cache lines.
#pragma once
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <utility>

#include "common/cache_line.h"
#include "common/pages.h"
#include "common/slab.h"

namespace fovea {

class AlignedFloats {
 public:
  AlignedFloats() = default;
  // Throws std::bad_alloc.
  explicit AlignedFloats(size_t length) : length_(length) {
    if (length == 0) return;
    if (length > std::numeric_limits<size_t>::max() / sizeof(float) - cache_line) throw std::bad_alloc();
    const size_t bytes = (length * sizeof(float) + cache_line - 1) / cache_line * cache_line;
#if defined(__SANITIZE_ADDRESS__)
    // The sanitizer watches over the ends of what is allocated, not of its parts.
    data_ = static_cast<float*>(std::aligned_alloc(cache_line, bytes));
    if (!data_) throw std::bad_alloc();
    owner_.reset(data_, std::free);
    std::memset(data_, 0, bytes);
#else
    if (bytes >= large) {
      auto pages = std::make_shared<Pages>(bytes);
      data_ = reinterpret_cast<float*>(pages->data());
      owner_ = std::move(pages);
    } else {
      auto [data, slab] = Slab::take(bytes);
      data_ = static_cast<float*>(data);
      owner_ = std::move(slab);
      std::memset(data_, 0, bytes);
    }
#endif
  }
  AlignedFloats(AlignedFloats&& other) noexcept { *this = std::move(other); }
  AlignedFloats& operator=(AlignedFloats&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(length_, other.length_);
    std::swap(owner_, other.owner_);
    return *this;
  }

  float* data() { return data_; }
  const float* data() const { return data_; }
  size_t size() const { return length_; }

 private:
  // From here on a block has huge pages of its own.
  static constexpr size_t large = size_t{1} << 20;

  float* data_ = nullptr;
  size_t length_ = 0;
  std::shared_ptr<void> owner_;  // its memory: pages of its own, or a slab that it shares
};

}  // namespace fovea
