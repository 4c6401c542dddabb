#include "common/runner.h"

#include <thread>

namespace fovea {

Runner& Runner::get() {
  static Runner* runner = new Runner();
  return *runner;
}

Runner::Runner() {
  std::thread([this] { serve(); }).detach();
}

void Runner::post(std::function<void(ThreadPool&)> job) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  posted_.notify_one();
}

void Runner::serve() {
  for (;;) {
    std::function<void(ThreadPool&)> job;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      posted_.wait(lock, [&] { return !jobs_.empty(); });
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job(pool_);
  }
}

}  // namespace fovea
