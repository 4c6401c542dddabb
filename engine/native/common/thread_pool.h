// Threads that share the items of a pass. One pass runs at a time; its caller takes part.
#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "common/condition.h"
#include "common/cache_line.h"

namespace fovea {

constexpr int max_threads = 256;

// Tells the processor that a loop only waits.
inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

class ThreadPool {
 public:
  ~ThreadPool();

  // Calls body(item, thread) for every item of 0 … items - 1, at most `threads` at a time; thread is below
  // `threads`. Each thread starts on its own share of neighbouring items, the same share of every pass, so that it finds
  // what it wrote in the pass before in its own caches; a thread that is done takes items from the ends of others'
  // shares. Stops handing out once `*stop` is true.
  template <class Body>
  void for_each(int threads, long items, const std::atomic<bool>* stop, Body&& body) {
    const Work work{[](void* context, long item, int thread) { (*static_cast<Body*>(context))(item, thread); },
                    &body, items, std::min<long>(threads, items), stop};
    run(work);
  }

 private:
  struct Work {
    void (*call)(void* context, long item, int thread);
    void* context;
    long items;
    long threads;
    const std::atomic<bool>* stop;
  };

  // A thread's items that are not taken yet: the first in the lower half, the end in the upper.
  struct alignas(cache_line) Share {
    std::atomic<uint64_t> left{0};
  };

  struct Worker {
    // Counts the passes that this worker has been asked to take part in, and what it has seen of that count.
    alignas(cache_line) std::atomic<unsigned> calls{0};
    std::atomic<unsigned> answered{0};
    std::thread thread;
    // Of its first call that it has not answered: when it came, and whether the worker has been moved since.
    std::chrono::steady_clock::time_point called_at;
    bool moved = false;
  };

  void run(const Work& work);
  // Asks a worker to take part, and sees to it that it can.
  static void call(Worker& worker, std::chrono::steady_clock::time_point now);
  void take_items(int thread);
  static long take_first(Share& share);
  static long take_last(Share& share);
  bool join(int thread);
  void serve(Worker& worker, int thread);
  // Starts workers for so many threads with the caller; returns how many there are, fewer where the system grants no more.
  int grow(int threads);

  std::vector<std::unique_ptr<Worker>> workers_;
  Work work_{};
  std::vector<Share> shares_;
  // The pass that may be joined: how many threads it wants, whether it is open, and how many workers are in it.
  // A pass waits for those alone, not for workers that the system has not let run meanwhile.
  alignas(cache_line) std::atomic<uint64_t> gate_{0};
  std::atomic<int> sleeping_{0};
  std::atomic<bool> quit_{false};
  std::mutex mutex_;
  Condition wake_;
};

}  // namespace fovea
