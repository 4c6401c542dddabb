#include "infer/grid_pool.h"

#include <algorithm>

namespace fovea {

namespace {

int window_start(int64_t cell, int64_t size, int64_t cells) { return static_cast<int>(cell * size / cells); }
int window_end(int64_t cell, int64_t size, int64_t cells) {
  return static_cast<int>(((cell + 1) * size + cells - 1) / cells);
}

struct WindowOfCell {
  int top, bottom, left, right;
};

WindowOfCell window_of(const GridPool& pool, int row, int column) {
  return {window_start(row, pool.input.height, pool.rows), window_end(row, pool.input.height, pool.rows),
          window_start(column, pool.input.width, pool.columns), window_end(column, pool.input.width, pool.columns)};
}

// Windows overlap where the map is not a multiple of the grid.
bool has_changed(const Mask& mask, long image, const WindowOfCell& window) {
  const auto cell_of = [](int64_t pixel, int64_t size, int64_t cells) { return static_cast<int>(pixel * cells / size); };
  const int last_row = cell_of(window.bottom - 1, mask.height, mask.rows);
  const int last_column = cell_of(window.right - 1, mask.width, mask.columns);
  for (int row = cell_of(window.top, mask.height, mask.rows); row <= last_row; row++)
    for (int column = cell_of(window.left, mask.width, mask.columns); column <= last_column; column++)
      if (mask.cells[(image * mask.rows + row) * mask.columns + column]) return true;
  return false;
}

void pool_cell(const Machine& machine, const GridPool& pool, long image, int row, int column) {
  const WindowOfCell window = window_of(pool, row, column);
  if (pool.changed && !has_changed(*pool.changed, image, window)) return;
  const long C = pool.input.channels;
  float* sums = pool.pooled + ((image * pool.rows + row) * pool.columns + column) * C;
  std::fill(sums, sums + C, 0.0f);
  for (int y = window.top; y < window.bottom; y++) {
    // A cell may cover a whole large map.
    if (machine.stop->load(std::memory_order_relaxed)) return;
    const float* line = pool.source + ((image * pool.input.height + y) * pool.input.width) * C;
    for (int x = window.left; x < window.right; x++) machine.kernels->accumulate(line + x * C, sums, C);
  }
  const float scale = 1.0f / static_cast<float>((window.bottom - window.top) * (window.right - window.left));
  for (long c = 0; c < C; c++) sums[c] *= scale;
}

}  // namespace

long GridPool::pixels_read(long grid_rows) const {
  if (grid_rows == 0) return 0;
  const long last = grid_rows - 1;
  const int bottom = window_end(last % rows, input.height, rows);
  return (last / rows * input.height + bottom) * input.width;
}

long pool_parts(int threads, const GridPool& pool) {
  return threads == 1 ? 1 : std::min<long>(pool.columns, limits::pool_parts);
}

void pool_rows(const Machine& machine, const GridPool& pool, long first, long last) {
  const long parts = pool_parts(machine.threads, pool);
  machine.pool->for_each(machine.threads, (last - first) * parts, machine.stop, [&](long item, int) {
    const long grid_row = first + item / parts;
    const int from = static_cast<int>(pool.columns * (item % parts) / parts);
    const int to = static_cast<int>(pool.columns * (item % parts + 1) / parts);
    for (int column = from; column < to; column++)
      pool_cell(machine, pool, grid_row / pool.rows, static_cast<int>(grid_row % pool.rows), column);
  });
}

void FollowingPool::advance(long pixels) {
  long end = done_;
  while (end < pool_.grid_rows() && pool_.pixels_read(end + 1) <= pixels) end++;
  if (end > done_) pool_rows(machine_, pool_, done_, end);
  done_ = end;
}

}  // namespace fovea
