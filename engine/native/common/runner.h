// The thread that runs programs, one after the other, and the pool that it shares their passes with. Only one
// program computes at a time: two would take each other's cores.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

#include "common/thread_pool.h"

namespace fovea {

class Runner {
 public:
  // The process's runner. It is never destroyed: a run may still be going when the process exits.
  static Runner& get();

  // Runs `job` on the runner's thread after those posted before it.
  void post(std::function<void(ThreadPool&)> job);

  // A job will be posted in a moment: the thread wakes now and polls for it, so that waking takes no time then.
  void expect();

 private:
  Runner();
  void serve();
  void poll();

  std::mutex mutex_;
  bool expecting_ = false;
  std::atomic<int> waiting_{0};
  std::condition_variable posted_;
  std::deque<std::function<void(ThreadPool&)>> jobs_;
  ThreadPool pool_;
};

}  // namespace fovea
