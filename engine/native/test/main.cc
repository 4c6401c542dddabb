// Runs all cases and prints one line for each; the exit code is 1 when one of them failed.
#include "test/unit_test.h"

int main() {
  int failed = 0;
  for (const auto& [name, run] : fovea::test::cases()) {
    fovea::test::failures() = 0;
    run();
    const bool good = fovea::test::failures() == 0;
    if (!good) failed++;
    std::printf("%s %s\n", good ? "ok  " : "FAIL", name.c_str());
  }
  return failed > 0 ? 1 : 0;
}
