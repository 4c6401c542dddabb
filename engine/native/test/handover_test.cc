// The probe of how far apart cores are: it ends, and answers with a plausible time, whatever the threads do.
#include "infer/handover.h"
#include "test/unit_test.h"

namespace fovea::test {

TEST("a value takes some time from one thread to the next, and none on one thread") {
  ThreadPool pool;
  expect(measure_handover(pool, 1) == 0, "one thread hands nothing over");
  for (const int threads : {2, 3, 8}) {
    for (int time = 0; time < 20; time++) {
      const double ms = measure_handover(pool, threads);
      // 0 where the threads found no cores at once.
      expect(ms == 0 || (ms > 1e-6 && ms < 1), std::to_string(threads) + " threads: " + std::to_string(ms) + " ms");
    }
  }
}

}  // namespace fovea::test
