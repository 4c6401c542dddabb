#include "common/runner.h"

#include <dlfcn.h>

#include <chrono>
#include <thread>

namespace fovea {

namespace {

// How long the thread polls for an announced job before it sleeps.
constexpr auto polling_time = std::chrono::microseconds(500);

// Node unloads an addon with the last worker thread that has loaded it. The code of the runner's threads must stay.
void stay_loaded() {
  Dl_info addon;
  static const char inside = 0;
  if (dladdr(&inside, &addon) != 0) dlopen(addon.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

}  // namespace

Runner& Runner::get() {
  static Runner* runner = new Runner();
  return *runner;
}

Runner::Runner() {
  stay_loaded();
  std::thread([this] { serve(); }).detach();
}

void Runner::post(std::function<void(ThreadPool&)> job) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    jobs_.push_back(std::move(job));
    waiting_.fetch_add(1, std::memory_order_release);
  }
  posted_.notify_one();
}

void Runner::expect() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    expecting_ = true;
  }
  posted_.notify_one();
}

void Runner::poll() {
  const auto since = std::chrono::steady_clock::now();
  while (waiting_.load(std::memory_order_acquire) == 0 && std::chrono::steady_clock::now() - since < polling_time)
    pause();
}

void Runner::serve() {
  for (;;) {
    std::function<void(ThreadPool&)> job;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      posted_.wait(lock, [&] { return expecting_ || !jobs_.empty(); });
      expecting_ = false;
      if (jobs_.empty()) {
        lock.unlock();
        poll();
        continue;
      }
      job = std::move(jobs_.front());
      jobs_.pop_front();
      waiting_.fetch_sub(1, std::memory_order_relaxed);
    }
    job(pool_);
  }
}

}  // namespace fovea
