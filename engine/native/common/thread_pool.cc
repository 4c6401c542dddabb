#include "common/thread_pool.h"

#include <chrono>

namespace fovea {

namespace {

// How long an idle worker polls before it sleeps: longer than the gap between two passes of a run, shorter
// than anyone would notice after the last.
constexpr auto polling_time = std::chrono::microseconds(200);

}  // namespace

ThreadPool::~ThreadPool() {
  quit_ = true;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto& worker : workers_) worker->calls.fetch_add(1);
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker->thread.join();
}

void ThreadPool::grow(int threads) {
  while (static_cast<int>(workers_.size()) < threads - 1) {
    const int thread = static_cast<int>(workers_.size()) + 1;
    workers_.push_back(std::make_unique<Worker>());
    Worker& worker = *workers_.back();
    worker.thread = std::thread([this, &worker, thread] { serve(worker, thread); });
  }
}

void ThreadPool::take_items(int thread) {
  for (;;) {
    if (work_.stop && work_.stop->load(std::memory_order_relaxed)) return;
    const long item = next_.fetch_add(1, std::memory_order_relaxed);
    if (item >= work_.items) return;
    work_.call(work_.context, item, thread);
  }
}

void ThreadPool::run(int threads, const Work& work) {
  if (work.items < threads) threads = static_cast<int>(work.items);
  if (threads <= 1) {
    for (long item = 0; item < work.items; item++) {
      if (work.stop && work.stop->load(std::memory_order_relaxed)) return;
      work.call(work.context, item, 0);
    }
    return;
  }
  grow(threads);
  work_ = work;
  next_.store(0, std::memory_order_relaxed);
  running_.store(threads - 1, std::memory_order_relaxed);
  for (int t = 0; t < threads - 1; t++) workers_[t]->calls.fetch_add(1, std::memory_order_seq_cst);
  if (sleeping_.load(std::memory_order_seq_cst) > 0) {
    std::lock_guard<std::mutex> lock(mutex_);
    wake_.notify_all();
  }
  take_items(0);
  for (int spins = 0; running_.load(std::memory_order_acquire) > 0; spins++) {
    if (spins < 4000)
      pause();
    else
      std::this_thread::yield();
  }
}

void ThreadPool::serve(Worker& worker, int thread) {
  for (unsigned answered = 0;; answered++) {
    const auto idle_since = std::chrono::steady_clock::now();
    for (int spins = 0; worker.calls.load(std::memory_order_acquire) == answered; spins++) {
      pause();
      if (spins % 256 != 255 || std::chrono::steady_clock::now() - idle_since < polling_time) continue;
      std::unique_lock<std::mutex> lock(mutex_);
      sleeping_.fetch_add(1, std::memory_order_seq_cst);
      wake_.wait(lock, [&] { return worker.calls.load(std::memory_order_seq_cst) != answered; });
      sleeping_.fetch_sub(1, std::memory_order_seq_cst);
    }
    if (quit_) return;
    take_items(thread);
    running_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace fovea
