#include "common/thread_pool.h"

#include <chrono>
#include <stdexcept>
#include <system_error>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

namespace fovea {

namespace {

// How long the caller of a pass polls for workers that are still in it. Longer than an item takes.
constexpr auto patience = std::chrono::microseconds(300);

// The fields of the gate, from the lowest bit: workers in the pass, whether it is open, threads it wants.
constexpr uint64_t gate_open = uint64_t{1} << 31;
constexpr uint64_t gate_workers = gate_open - 1;
constexpr int gate_threads_shift = 32;

constexpr int share_end_shift = 32;
constexpr uint64_t share_item = (uint64_t{1} << share_end_shift) - 1;

// How long an idle worker polls before it sleeps. Longer than the gap between two passes of a run, too short to be
// noticed after the last one.
constexpr auto polling_time = std::chrono::microseconds(200);

// A worker that takes longer than this to answer a call is assumed to be waiting for the caller's core.
constexpr auto answering_time = std::chrono::microseconds(50);

// Schedulers tend to wake a thread on its caller's core. There it would wait until the caller has done all the work,
// because a thread that ran recently is not migrated. Excluding that core from its affinity for a moment moves it.
void move_away([[maybe_unused]] std::thread& thread) {
#if defined(__linux__)
  const pthread_t handle = thread.native_handle();
  cpu_set_t allowed;
  const int here = sched_getcpu();
  if (here < 0 || here >= CPU_SETSIZE || pthread_getaffinity_np(handle, sizeof allowed, &allowed) != 0) return;
  cpu_set_t others = allowed;
  CPU_CLR(here, &others);
  if (CPU_COUNT(&others) == 0) return;
  pthread_setaffinity_np(handle, sizeof others, &others);
  pthread_setaffinity_np(handle, sizeof allowed, &allowed);
#endif
}

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

int ThreadPool::grow(int threads) {
  if (shares_.size() < static_cast<size_t>(threads)) shares_ = std::vector<Share>(threads);
  while (static_cast<int>(workers_.size()) < threads - 1) {
    const int thread = static_cast<int>(workers_.size()) + 1;
    workers_.push_back(std::make_unique<Worker>());
    Worker& worker = *workers_.back();
    try {
      worker.thread = std::thread([this, &worker, thread] { serve(worker, thread); });
    } catch (const std::system_error&) {
      workers_.pop_back();
      break;
    }
  }
  return std::min(threads, static_cast<int>(workers_.size()) + 1);
}

// Both take one item of a share, -1 when none is left.
long ThreadPool::take_first(Share& share) {
  uint64_t left = share.left.load(std::memory_order_relaxed);
  do {
    if ((left & share_item) >= left >> share_end_shift) return -1;
  } while (!share.left.compare_exchange_weak(left, left + 1, std::memory_order_relaxed));
  return static_cast<long>(left & share_item);
}

long ThreadPool::take_last(Share& share) {
  uint64_t left = share.left.load(std::memory_order_relaxed);
  do {
    if ((left & share_item) >= left >> share_end_shift) return -1;
  } while (!share.left.compare_exchange_weak(left, left - (uint64_t{1} << share_end_shift),
                                             std::memory_order_relaxed));
  return static_cast<long>((left >> share_end_shift) - 1);
}

void ThreadPool::take_items(int thread) {
  const int threads = static_cast<int>(work_.threads);
  for (int owner = thread, visited = 0; visited < threads;) {
    if (work_.stop && work_.stop->load(std::memory_order_relaxed)) return;
    const long item = owner == thread ? take_first(shares_[owner]) : take_last(shares_[owner]);
    if (item >= 0) {
      work_.call(work_.context, item, thread);
    } else {
      visited++;
      owner = owner + 1 < threads ? owner + 1 : 0;
    }
  }
}

void ThreadPool::run(const Work& work) {
  if (work.items > static_cast<long>(share_item)) throw std::length_error("a pass of more than 2^32 items");
  const int threads = grow(static_cast<int>(work.threads));
  if (threads <= 1) {
    for (long item = 0; item < work.items; item++) {
      if (work.stop && work.stop->load(std::memory_order_relaxed)) return;
      work.call(work.context, item, 0);
    }
    return;
  }
  work_ = work;
  work_.threads = threads;
  for (int t = 0; t < threads; t++) {
    const uint64_t first = work.items * t / threads, end = work.items * (t + 1) / threads;
    shares_[t].left.store(first | end << share_end_shift, std::memory_order_relaxed);
  }
  gate_.store(static_cast<uint64_t>(threads) << gate_threads_shift | gate_open, std::memory_order_seq_cst);
  const auto now = std::chrono::steady_clock::now();
  for (int t = 0; t < threads - 1; t++) call(*workers_[t], now);
  if (sleeping_.load(std::memory_order_seq_cst) > 0) {
    std::lock_guard<std::mutex> lock(mutex_);
    wake_.notify_all();
  }
  take_items(0);
  gate_.fetch_and(~gate_open, std::memory_order_acq_rel);
  const auto closed_at = std::chrono::steady_clock::now();
  for (int spins = 1; gate_.load(std::memory_order_acquire) & gate_workers; spins++) {
    pause();
    // Another program has taken the worker's core. Sleeping leaves this core idle, so the scheduler can move the
    // worker here.
    if (spins % 64 == 0 && std::chrono::steady_clock::now() - closed_at > patience)
      std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

void ThreadPool::call(Worker& worker, std::chrono::steady_clock::time_point now) {
  if (worker.answered.load(std::memory_order_relaxed) == worker.calls.load(std::memory_order_relaxed)) {
    worker.called_at = now;
    worker.moved = false;
  } else if (!worker.moved && now - worker.called_at > answering_time) {
    move_away(worker.thread);
    worker.moved = true;
  }
  worker.calls.fetch_add(1, std::memory_order_seq_cst);
}

bool ThreadPool::join(int thread) {
  uint64_t gate = gate_.load(std::memory_order_acquire);
  do {
    if (!(gate & gate_open) || static_cast<uint64_t>(thread) >= gate >> gate_threads_shift) return false;
  } while (!gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acq_rel, std::memory_order_acquire));
  return true;
}

void ThreadPool::serve(Worker& worker, int thread) {
  for (unsigned answered = 0;;) {
    const auto idle_since = std::chrono::steady_clock::now();
    for (int spins = 0; worker.calls.load(std::memory_order_acquire) == answered; spins++) {
      pause();
      if (spins % 256 != 255 || std::chrono::steady_clock::now() - idle_since < polling_time) continue;
      std::unique_lock<std::mutex> lock(mutex_);
      sleeping_.fetch_add(1, std::memory_order_seq_cst);
      wake_.wait(lock, [&] { return worker.calls.load(std::memory_order_seq_cst) != answered; });
      sleeping_.fetch_sub(1, std::memory_order_seq_cst);
    }
    // Read before checking `quit_`: otherwise the call that announces it could count as answered.
    answered = worker.calls.load(std::memory_order_acquire);
    worker.answered.store(answered, std::memory_order_relaxed);
    if (quit_) return;
    if (!join(thread)) continue;
    take_items(thread);
    gate_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace fovea
