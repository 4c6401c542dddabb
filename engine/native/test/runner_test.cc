// The thread of a process that runs jobs: one at a time, in the order in which they were posted.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "common/runner.h"
#include "test/unit_test.h"

namespace fovea::test {

namespace {

// Waits for what another thread announces.
class Signal {
 public:
  void set() {
    std::lock_guard<std::mutex> lock(mutex_);
    is_set_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return is_set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_set_ = false;
};

}  // namespace

TEST("jobs run one at a time, each thread's in its order, announced or not") {
  constexpr int posters = 3, jobs = 200;
  // Plain values: a job that ran beside another one would be a race.
  int running = 0, together = 0;
  std::vector<int> orders[posters];
  std::atomic<int> left{posters * jobs};
  Signal done;
  std::vector<std::thread> threads;
  for (int poster = 0; poster < posters; poster++)
    threads.emplace_back([&, poster] {
      for (int i = 0; i < jobs; i++) {
        if (i % 3 == 0) Runner::get().expect();
        Runner::get().post([&, poster, i](ThreadPool& pool) {
          running++;
          pool.for_each(1 + i % 3, 5, nullptr, [](long, int) {});
          if (running != 1) together++;
          orders[poster].push_back(i);
          running--;
          if (--left == 0) done.set();
        });
      }
    });
  for (std::thread& thread : threads) thread.join();
  done.wait();
  expect(together == 0, std::to_string(together) + " jobs ran beside another one");
  for (const std::vector<int>& order : orders) {
    expect(order.size() == jobs, std::to_string(order.size()) + " jobs of a thread ran");
    for (int i = 0; i < static_cast<int>(order.size()); i++) expect(order[i] == i, "jobs ran in another order");
  }
}

TEST("a run that another thread stops ends, and what it wrote can be read") {
  std::vector<long> written(4096);
  for (int round = 0; round < 50; round++) {
    std::atomic<bool> stop{false};
    Signal begun, ended;
    Runner::get().post([&](ThreadPool& pool) {
      for (int pass = 0; !stop; pass++) {
        pool.for_each(3, static_cast<long>(written.size()), &stop, [&](long item, int) { written[item] = pass; });
        begun.set();
      }
      ended.set();
    });
    begun.wait();
    stop = true;
    ended.wait();
    for (const long value : written) expect(value >= 0, "a value that no pass wrote");
  }
}

}  // namespace fovea::test
