// What passes between two uses of a buffer.
#include "infer/traffic.h"

#include "test/unit_test.h"

namespace fovea::test {

TEST("a buffer was last used as many bytes ago as other instructions have moved since, or in the run before") {
  Traffic traffic(4, 5000);
  expect(traffic.since(0) == 5000, "a buffer that was used in the run before");
  traffic.touch(3);
  expect(traffic.since(3) == 0, "what was written just before the run");
  traffic.use(0, 100);
  traffic.use(1, 50);
  expect(traffic.since(0) == 5000, "the instruction in hand is not over");
  traffic.settle();
  expect(traffic.since(0) == 0 && traffic.since(1) == 0, "both were used just now");
  traffic.use(1, 30);
  traffic.weigh(1000);
  traffic.settle();
  expect(traffic.since(0) == 1030, "the bytes of the instruction that did not use it, weights included");
  expect(traffic.since(1) == 0, "used again");
  expect(traffic.since(2) == 5000, "a buffer that nothing has used yet in this run");
  expect(traffic.since(3) == 1180, "what has passed since the run began");
}

}  // namespace fovea::test
