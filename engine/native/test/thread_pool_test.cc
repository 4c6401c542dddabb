// The thread pool against counters of its items: each is computed once, in whichever share it was.
#include <atomic>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "common/thread_pool.h"
#include "test/no_more_threads.h"
#include "test/unit_test.h"

namespace fovea::test {

TEST("every item is computed once, on a thread of the pass") {
  ThreadPool pool;
  for (const int threads : {1, 2, 3, 5, 8}) {
    for (const long items : {0L, 1L, 2L, 3L, 7L, 64L, 1000L}) {
      std::vector<std::atomic<int>> times(static_cast<size_t>(items));
      std::atomic<int> foreign{0};
      pool.for_each(threads, items, nullptr, [&](long item, int thread) {
        times[static_cast<size_t>(item)]++;
        if (thread < 0 || thread >= threads) foreign++;
      });
      const std::string what = std::to_string(items) + " items on " + std::to_string(threads) + " threads";
      expect(foreign == 0, what + ": a thread that was not asked");
      for (const auto& count : times) expect(count == 1, what + ": an item is missing or computed twice");
    }
  }
}

TEST("a thread computes neighbouring items, and those of a slow thread from their end") {
  constexpr long items = 100;
  ThreadPool pool;
  std::mutex mutex;
  std::vector<long> first, taken;
  std::atomic<bool> begun{false}, other_works{false};
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  pool.for_each(2, items, nullptr, [&](long item, int thread) {
    if (thread == 1) {
      other_works = true;
      // It could do everything before the calling thread has begun, if that has to wait for a core.
      while (!begun && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    }
    // The calling thread holds its first item until the other has done the rest.
    if (thread == 0 && item == 0) {
      begun = true;
      const auto left = [&] {
        std::lock_guard<std::mutex> lock(mutex);
        return taken.size() < items - 1;
      };
      while (left() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    }
    std::lock_guard<std::mutex> lock(mutex);
    (thread == 0 ? first : taken).push_back(item);
  });
  expect(other_works, "the second thread took no part");
  expect(first == std::vector<long>{0}, "the calling thread did not begin with item 0, or took more");
  std::vector<long> wanted;
  for (long item = items / 2; item < items; item++) wanted.push_back(item);
  for (long item = items / 2 - 1; item > 0; item--) wanted.push_back(item);
  expect(taken == wanted, "the second thread took items in another order");
}

TEST("a pass that is asked to stop hands out no more items") {
  ThreadPool pool;
  for (const int threads : {1, 3}) {
    std::atomic<bool> stop{false};
    std::atomic<long> done{0};
    pool.for_each(threads, 100000, &stop, [&](long, int) {
      // Each thread sees what it has asked itself, also where the one of the tenth item is interrupted before it asks.
      if (++done >= 10) stop = true;
    });
    expect(done >= 10 && done < 10 + threads, std::to_string(done) + " items after the tenth asked to stop");
    pool.for_each(threads, 5, nullptr, [&](long, int) { done++; });
  }
}

TEST("passes follow each other without an item of the one in the other") {
  ThreadPool pool;
  for (int pass = 0; pass < 20000; pass++) {
    const int threads = 2 + pass % 3;
    const long items = 1 + pass % 9;
    std::atomic<long> sum{0};
    pool.for_each(threads, items, nullptr, [&](long item, int) { sum += item + 1; });
    if (sum != items * (items + 1) / 2) return fail("pass " + std::to_string(pass) + ": sum " + std::to_string(sum));
  }
}

TEST("a pass is done by the threads that the system grants, also the next one") {
  ThreadPool pool;
  const auto passes = [&](const char* when) {
    for (const int threads : {max_threads, 2, max_threads}) {
      std::atomic<int> done{0};
      pool.for_each(threads, 1000, nullptr, [&](long, int) { done++; });
      expect(done == 1000, std::to_string(done) + " items " + when);
    }
  };
  {
    const NoMoreThreads none;
    passes("without threads");
  }
  passes("with threads");
}

}  // namespace fovea::test
