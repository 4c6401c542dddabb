#include "infer/handover.h"

namespace fovea {

namespace {

using Clock = std::chrono::steady_clock;

// Long enough for the clock's resolution, short beside a run: about ten microseconds.
constexpr int rounds = 6;
constexpr int laps_of_round = 8;

// How long a thread waits for another that has no core.
constexpr auto patience = std::chrono::microseconds(200);

struct alignas(cache_line) Line {
  std::atomic<int> lap{0};
};

// True when `value` came to `wanted` in time.
bool reaches(const std::atomic<int>& value, int wanted) {
  const auto begin = Clock::now();
  for (int spins = 1; value.load(std::memory_order_acquire) < wanted; spins++)
    if (spins % 256 == 0 && Clock::now() - begin > patience) return false;
  return true;
}

}  // namespace

double measure_handover(ThreadPool& pool, int threads) {
  if (threads < 2) return 0;
  std::vector<Line> lines(static_cast<size_t>(threads));
  std::atomic<int> present{0};
  double least_ms = 0;
  pool.for_each(threads, threads, nullptr, [&](long item, int) {
    present.fetch_add(1, std::memory_order_acq_rel);
    if (!reaches(present, threads)) return;
    std::atomic<int>& own = lines[static_cast<size_t>(item)].lap;
    std::atomic<int>& next = lines[static_cast<size_t>((item + 1) % threads)].lap;
    if (item > 0) {
      for (int lap = 1; lap <= rounds * laps_of_round; lap++) {
        if (!reaches(own, lap)) return;
        next.store(lap, std::memory_order_release);
      }
      return;
    }
    for (int round = 0; round < rounds; round++) {
      const auto begin = Clock::now();
      for (int lap = 1; lap <= laps_of_round; lap++) {
        const int number = round * laps_of_round + lap;
        next.store(number, std::memory_order_release);
        if (!reaches(own, number)) {
          least_ms = 0;
          return;
        }
      }
      const double ms = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
      least_ms = round == 0 ? ms : std::min(least_ms, ms);
    }
  });
  return least_ms / (laps_of_round * threads);
}

}  // namespace fovea
