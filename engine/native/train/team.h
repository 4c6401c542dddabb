// A few threads that share the parts of each operation.
#pragma once
#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "common/condition.h"

namespace fovea::train {

// Which thread gets a part varies, but the arithmetic of a part does not: results do not depend on `threads`.
class Team {
 public:
  // A team of fewer where the system grants no more threads.
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  // Calls work(0) … work(parts - 1), each once, and returns when all are done. What one of them throws is thrown here;
  // then others may have been left out.
  void run(long parts, const std::function<void(long)>& work);

 private:
  void serve();
  void take(const std::function<void(long)>& work, long parts);

  std::vector<std::thread> helpers_;
  std::mutex mutex_;
  Condition wake_, done_;
  const std::function<void(long)>* work_ = nullptr;
  long parts_ = 0;
  std::atomic<long> next_{0};
  std::atomic<unsigned long> round_{0};
  std::atomic<int> busy_{0};
  std::atomic<bool> stop_{false};
  std::exception_ptr failure_;
};

}  // namespace fovea::train
