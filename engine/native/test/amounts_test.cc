// Where caches hold what is used again.
#include "infer/amounts.h"

#include "test/unit_test.h"

namespace fovea::test {

TEST("a cache that replaces lines at random keeps a share that solves its equation, and less of more") {
  expect(kept_share(0.3) == 1 && kept_share(1) == 1, "what fits is kept");
  double before = 1;
  for (double size = 1.001; size < 200; size *= 1.05) {
    const double share = kept_share(size);
    const std::string name = std::to_string(size) + " times the cache";
    expect(share >= 0 && share <= before, name + " keeps more than less does");
    // Near 1 the equation has a double root, and the share is not far from it.
    if (size > 1.05) expect_near(static_cast<float>(share), std::exp((share - 1) * size), name, 1e-5);
    before = share;
  }
  // s = 1/2 where size = 2 ln 2.
  expect_near(static_cast<float>(kept_share(2 * std::log(2.0))), 0.5, "half is kept", 1e-6);
  expect(kept_share(1e12) == 0 || kept_share(1e12) < 1e-300, "nothing of very much");
}

TEST("levels share what is held, and together hold all") {
  const DescribeSetting setting{{}, 2, 0, 2e6, 80e6, 0};
  for (double size = 1e3; size < 1e10; size *= 1.7) {
    const Held held = setting.held(size);
    expect(held.near >= 0 && held.far >= 0 && held.memory >= 0, "a share below 0 of " + std::to_string(size));
    expect_near(static_cast<float>(held.near + held.far + held.memory), 1, "all of " + std::to_string(size), 1e-6);
  }
  expect(setting.held(1e6).near == 1 && setting.held(60e6).memory == 0, "what fits a level is in it");
}

}  // namespace fovea::test
