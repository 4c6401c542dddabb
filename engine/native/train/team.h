// A few threads that share the parts of each operation.
#pragma once
#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "common/condition.h"

namespace fovea::train {

// Which thread gets a part varies, but the arithmetic of a part does not: results do not depend on `threads`.
class Team {
 public:
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  // Calls work(0) … work(parts - 1), each once, and returns when all are done.
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
};

}  // namespace fovea::train
