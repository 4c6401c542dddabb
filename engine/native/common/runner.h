// The thread that runs programs, one after the other, and the pool that it shares their passes with. Only one
// program computes at a time: two would take each other's cores.
#pragma once
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

 private:
  Runner();
  void serve();

  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::function<void(ThreadPool&)>> jobs_;
  ThreadPool pool_;
};

}  // namespace fovea
