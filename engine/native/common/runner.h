// The thread that runs programs, and the pool that helps with their passes. Programs run one at a time: two would
// compete for the same cores.
#pragma once
#include <atomic>
#include <deque>
#include <functional>
#include <mutex>

#include "common/condition.h"
#include "common/thread_pool.h"

namespace fovea {

class Runner {
 public:
  // The runner of this process. It is never destroyed, because a run may be in progress when the process exits.
  static Runner& get();

  // Queues `job` for the runner's thread.
  void post(std::function<void(ThreadPool&)> job);

  // Announces that a job will be posted soon: the thread wakes up and polls for it, which hides the wake-up time.
  void expect();

 private:
  Runner();
  void serve();
  void poll();

  std::mutex mutex_;
  bool expecting_ = false;
  std::atomic<int> waiting_{0};
  Condition posted_;
  std::deque<std::function<void(ThreadPool&)>> jobs_;
  ThreadPool pool_;
};

}  // namespace fovea
