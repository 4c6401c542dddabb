// Huge pages that many blocks of memory share. A block by itself is smaller than a huge page, and on small pages its
// address translations compete with those of all other blocks, and its place in the caches is a matter of chance.
#pragma once
#include <cstddef>
#include <memory>
#include <mutex>

#include "common/pages.h"

namespace fovea {

// Blocks that were taken one after another. Its memory is freed with the last of them.
class Slab {
 public:
  struct Block {
    void* data;
    std::shared_ptr<Slab> slab;
  };

  // A block from the slab in use, or from a new one where that has too little left. Contents are undefined.
  static Block take(size_t bytes) {
    // Never destroyed: a run may take memory while the process exits.
    static auto& mutex = *new std::mutex();
    static auto& in_use = *new std::shared_ptr<Slab>();
    const std::lock_guard lock(mutex);
    if (in_use && in_use.use_count() == 1) in_use->taken_ = 0;
    if (!in_use || capacity - in_use->taken_ < bytes) in_use = std::make_shared<Slab>();
    void* data = in_use->pages_.data() + in_use->taken_;
    in_use->taken_ += bytes;
    return {data, in_use};
  }

  static constexpr size_t capacity = 2 * huge_page;

 private:
  Pages pages_{capacity};
  size_t taken_ = 0;
};

}  // namespace fovea
