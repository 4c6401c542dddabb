// Threads that share the items of a pass. One pass runs at a time; its caller takes part.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

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
  // `threads`. Items are handed out in order, one at a time. Stops handing out once `*stop` is true.
  template <class Body>
  void for_each(int threads, long items, const std::atomic<bool>* stop, Body&& body) {
    const Work work{[](void* context, long item, int thread) { (*static_cast<Body*>(context))(item, thread); },
                    &body, items, stop};
    run(threads, work);
  }

 private:
  struct Work {
    void (*call)(void* context, long item, int thread);
    void* context;
    long items;
    const std::atomic<bool>* stop;
  };

  struct Worker {
    // Counts the passes that this worker has been asked to take part in, and what it has seen of that count.
    alignas(64) std::atomic<unsigned> calls{0};
    std::atomic<unsigned> answered{0};
    std::thread thread;
    // Of its first call that it has not answered: when it came, and whether the worker has been moved since.
    std::chrono::steady_clock::time_point called_at;
    bool moved = false;
  };

  void run(int threads, const Work& work);
  // Asks a worker to take part, and sees to it that it can.
  static void call(Worker& worker, std::chrono::steady_clock::time_point now);
  void take_items(int thread);
  bool join(int thread);
  void serve(Worker& worker, int thread);
  void grow(int threads);

  std::vector<std::unique_ptr<Worker>> workers_;
  Work work_{};
  alignas(64) std::atomic<long> next_{0};
  // The pass that may be joined: how many threads it wants, whether it is open, and how many workers are in it.
  // A pass waits for those alone, not for workers that the system has not let run meanwhile.
  alignas(64) std::atomic<uint64_t> gate_{0};
  std::atomic<int> sleeping_{0};
  std::atomic<bool> quit_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace fovea
