#include "infer/pace.h"

#include <chrono>

namespace fovea {

namespace {

// A reduction that stays in the first-level cache, and how often a thread computes it: about ten microseconds in
// total, long for the clock's resolution and short beside a run.
constexpr long channels = 128;
constexpr int items_of_thread = 4;
constexpr int tiles_of_item = 8;

}  // namespace

double Pace::measure(const Machine& machine) {
  using Clock = std::chrono::steady_clock;
  const KernelTable& kernels = *machine.kernels;
  const TileKernel kernel = kernels.tile[kernels.tile_vectors - 1][kernels.tile_rows - 1];
  const int width = kernels.tile_vectors * kernels.lanes;
  if (values_.size() == 0) values_ = AlignedFloats(static_cast<size_t>(channels * width));
  const float* rows[max_tile_rows];
  std::fill(rows, rows + max_tile_rows, values_.data());
  TileArguments tile{};
  tile.tiles = 1;
  tile.input = rows;
  tile.taps = tile.taps_of_row = 1;
  tile.channels = channels;
  tile.weight = values_.data();
  tile.ahead = reinterpret_cast<const char*>(values_.data());
  tile.bias = values_.data();
  tile.columns = width;
  const auto compute = [&](int tiles_of_each) {
    machine.pool->for_each(machine.threads, static_cast<long>(machine.threads) * items_of_thread, nullptr,
                           [&](long, int thread) {
                             TileArguments own = tile;
                             own.sums = machine.scratch[thread].sums.data();
                             for (int i = 0; i < tiles_of_each; i++) kernel(own);
                           });
  };
  // The pass before has evicted what is read here, and how much of it differs from pass to pass.
  compute(1);
  const auto start = Clock::now();
  compute(tiles_of_item);
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

}  // namespace fovea
