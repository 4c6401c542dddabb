// The threads of training: every part of an operation is done once, and before the next operation begins.
#include "train/team.h"

#include <new>

#include "common/thread_pool.h"
#include "test/no_more_threads.h"
#include "test/unit_test.h"

namespace fovea::test {

TEST("operations follow each other, each with all of its parts done once") {
  for (const int threads : {1, 2, 3, 5}) {
    train::Team team(threads);
    // Plain values: each part has its own, and the next operation reads all of them.
    std::vector<long> sums(16), before(16);
    for (long operation = 1; operation <= 2000; operation++) {
      const long parts = 1 + operation % 16;
      team.run(parts, [&](long part) {
        long total = operation;
        for (const long sum : before) total += sum % 3;
        sums[part] += total;
      });
      long wanted = operation;
      for (const long sum : before) wanted += sum % 3;
      for (long part = 0; part < 16; part++)
        if (sums[part] != before[part] + (part < parts ? wanted : 0))
          return fail(std::to_string(threads) + " threads, operation " + std::to_string(operation) + ", part " +
                      std::to_string(part));
      before = sums;
    }
  }
}

TEST("a team ends at any time after its last operation") {
  for (int round = 0; round < 500; round++) {
    std::atomic<long> done{0};
    {
      train::Team team(2 + round % 3);
      for (int operation = 0; operation < round % 4; operation++) team.run(7, [&](long) { done++; });
    }
    expect(done == round % 4 * 7, std::to_string(done) + " parts");
  }
}

TEST("what a part throws is thrown by its operation, and the team goes on") {
  for (const int threads : {1, 2, 4}) {
    train::Team team(threads);
    for (int round = 0; round < 200; round++) {
      bool thrown = false;
      try {
        team.run(9, [&](long part) {
          if (part == round % 9) throw std::bad_alloc();
        });
      } catch (const std::bad_alloc&) {
        thrown = true;
      }
      std::atomic<int> done{0};
      team.run(9, [&](long) { done++; });
      if (!thrown || done != 9) return fail(std::to_string(threads) + " threads, round " + std::to_string(round));
    }
  }
}

TEST("a team works with the threads that the system grants") {
  const NoMoreThreads none;
  train::Team team(max_threads);
  std::atomic<int> done{0};
  team.run(100, [&](long) { done++; });
  expect(done == 100, std::to_string(done) + " parts");
}

}  // namespace fovea::test
