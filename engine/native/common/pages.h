// Huge pages straight from the system. The C library would keep them: once it has freed a large block it serves later
// ones from its heap, where blocks that must begin at a huge page leave gaps, and a process that opens one network
// after another came to hold several times what it used.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <iterator>
#include <mutex>
#include <new>

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
#define FOVEA_MAPS_PAGES
#include <sys/mman.h>
#endif

namespace fovea {

constexpr size_t huge_page = size_t{1} << 21;

#if defined(FOVEA_MAPS_PAGES)
// Pages that were freed last, for blocks of the same size: opening a small network where one was closed then waits for
// no page. Any more go back to the system.
class KeptPages {
 public:
  static constexpr size_t most_bytes = 32 * huge_page;

  // Never destroyed: threads may free pages while the process exits.
  static KeptPages& get() {
    static KeptPages* const kept = new KeptPages();
    return *kept;
  }

  // Null where no pages of that size are kept. Contents are undefined.
  std::byte* take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    for (auto found = kept_.rbegin(); found != kept_.rend(); ++found) {
      if (found->bytes != bytes) continue;
      std::byte* const data = found->data;
      kept_.erase(std::next(found).base());
      total_ -= bytes;
      return data;
    }
    return nullptr;
  }

  void give(std::byte* data, size_t bytes) noexcept {
    if (bytes > most_bytes || !keep({data, bytes})) munmap(data, bytes);
  }

 private:
  struct Freed {
    std::byte* data;
    size_t bytes;
  };

  bool keep(Freed freed) noexcept {
    const std::lock_guard lock(mutex_);
    try {
      kept_.push_back(freed);
    } catch (const std::bad_alloc&) {
      return false;
    }
    total_ += freed.bytes;
    while (total_ > most_bytes) {
      const Freed oldest = kept_.front();
      kept_.pop_front();
      total_ -= oldest.bytes;
      munmap(oldest.data, oldest.bytes);
    }
    return true;
  }

  std::mutex mutex_;
  std::deque<Freed> kept_;
  size_t total_ = 0;
};
#endif

// Memory of zeros that begins at a huge page, and consists of huge pages where the system has them. It is in place
// from the start, so that no run waits for it. Throws std::bad_alloc.
class Pages {
 public:
  explicit Pages(size_t bytes) : bytes_((bytes + huge_page - 1) / huge_page * huge_page) {
    if (bytes_ < bytes) throw std::bad_alloc();
#if defined(FOVEA_MAPS_PAGES)
    data_ = KeptPages::get().take(bytes_);
    if (data_) {
      std::memset(data_, 0, bytes_);
      return;
    }
    data_ = map_aligned();
    madvise(data_, bytes_, MADV_HUGEPAGE);
    // The system fills a page with zeros when it is first written to.
    for (size_t at = 0; at < bytes_; at += small_page) *static_cast<volatile std::byte*>(data_ + at) = std::byte{0};
#else
    data_ = static_cast<std::byte*>(std::aligned_alloc(huge_page, bytes_));
    if (!data_) throw std::bad_alloc();
    std::memset(data_, 0, bytes_);
#endif
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  ~Pages() {
#if defined(FOVEA_MAPS_PAGES)
    KeptPages::get().give(data_, bytes_);
#else
    std::free(data_);
#endif
  }

  std::byte* data() { return data_; }
  size_t bytes() const { return bytes_; }

 private:
#if defined(FOVEA_MAPS_PAGES)
  static constexpr size_t small_page = 4096;

  // Maps one huge page more than is needed, and gives back what lies before and after the aligned part.
  std::byte* map_aligned() const {
    const size_t mapped = bytes_ + huge_page;
    if (mapped < bytes_) throw std::bad_alloc();
    void* const found = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (found == MAP_FAILED) throw std::bad_alloc();
    std::byte* const start = static_cast<std::byte*>(found);
    const size_t past = reinterpret_cast<uintptr_t>(start) % huge_page;
    const size_t before = past ? huge_page - past : 0;
    if (before > 0) munmap(start, before);
    munmap(start + before + bytes_, huge_page - before);
    return start + before;
  }
#endif

  size_t bytes_;
  std::byte* data_;
};

}  // namespace fovea
