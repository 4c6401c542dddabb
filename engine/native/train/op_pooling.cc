// Pools: maximum, average, whole map, and the adaptive average onto a mask's grid.
#include <algorithm>

#include "train/op.h"

namespace fovea::train {
namespace {

// dims: N, H, W, C, OH, OW, KH, KW, SH, SW, PT, PL
struct Window {
  long N, H, W, C, OH, OW, KH, KW, SH, SW, PT, PL;
};

Window window_of(const std::vector<long>& d) {
  return {d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7], d[8], d[9], d[10], d[11]};
}

// Calls visit(input pixel, output pixel, tap) for every tap inside the image, one output row at a time.
template <typename Visit>
void walk(const Window& s, Team& team, bool by_image, const Visit& visit) {
  const long units = by_image ? s.N : s.N * s.OH, height = by_image ? s.OH : 1;
  team.run(units, [&](long unit) {
    for (long row = unit * height; row < (unit + 1) * height; row++) {
      const long n = row / s.OH, top = row % s.OH * s.SH - s.PT;
      for (long ox = 0; ox < s.OW; ox++)
        for (long ky = std::max(0L, -top); ky < std::min(s.KH, s.H - top); ky++)
          for (long kx = std::max(0L, s.PL - ox * s.SW); kx < std::min(s.KW, s.W + s.PL - ox * s.SW); kx++)
            visit((n * s.H + top + ky) * s.W + ox * s.SW - s.PL + kx, row * s.OW + ox, ky * s.KW + kx);
    }
  });
}

// buffers: x, y, index
void maximum(Op& op, Team& team) {
  const Window s = window_of(op.dims);
  float* y = op.floats(1);
  int32_t* index = op.buffers[2].ints();
  std::fill(y, y + s.N * s.OH * s.OW * s.C, -__builtin_inff());
  std::fill(index, index + s.N * s.OH * s.OW * s.C, -1);
  walk(s, team, false, [&](long in, long out, long tap) {
    kernels().maximum(op.floats(0) + in * s.C, y + out * s.C, index + out * s.C, static_cast<int>(tap), s.C);
  });
}

// buffers: dy, index, dx
void maximum_gradient(Op& op, Team& team) {
  const Window s = window_of(op.dims);
  std::fill(op.floats(2), op.floats(2) + s.N * s.H * s.W * s.C, 0.0f);
  walk(s, team, true, [&](long in, long out, long tap) {
    kernels().select(op.floats(0) + out * s.C, op.buffers[1].ints() + out * s.C, static_cast<int>(tap),
                     op.floats(2) + in * s.C, s.C);
  });
}

// 1 / number of positions that an average divides by. Padding counts as zeros unless dimension 13 is 1. Positions
// beyond the padding below and to the right (dimensions 14 and 15) never count.
float share_of(const Window& s, const std::vector<long>& d, long out) {
  const long top = out / s.OW % s.OH * s.SH - s.PT, left = out % s.OW * s.SW - s.PL;
  const bool inside_only = d.size() > 12 && d[12] != 0;
  const auto extent = [&](long begin, long kernel, long size, long after) {
    const long end = std::min(begin + kernel, size + (inside_only ? 0 : after));
    return end - (inside_only ? std::max(0L, begin) : begin);
  };
  const long below = d.size() > 14 ? d[13] : s.KH, right = d.size() > 14 ? d[14] : s.KW;
  return 1.0f / (extent(top, s.KH, s.H, below) * extent(left, s.KW, s.W, right));
}

// buffers: x, y
void average(Op& op, Team& team) {
  const Window s = window_of(op.dims);
  std::fill(op.floats(1), op.floats(1) + s.N * s.OH * s.OW * s.C, 0.0f);
  walk(s, team, false, [&](long in, long out, long) {
    kernels().add(op.floats(0) + in * s.C, op.floats(1) + out * s.C, s.C, share_of(s, op.dims, out));
  });
}

// buffers: dy, dx
void average_gradient(Op& op, Team& team) {
  const Window s = window_of(op.dims);
  std::fill(op.floats(1), op.floats(1) + s.N * s.H * s.W * s.C, 0.0f);
  walk(s, team, true, [&](long in, long out, long) {
    kernels().add(op.floats(0) + out * s.C, op.floats(1) + in * s.C, s.C, share_of(s, op.dims, out));
  });
}

// Adaptive average: cell i of m covers inputs floor(i·n/m) … ceil((i+1)·n/m) − 1; windows may overlap.
// dims: N, H, W, C, rows, columns
template <typename Visit>
void cells(const std::vector<long>& d, Team& team, const Visit& visit) {
  const long N = d[0], H = d[1], W = d[2], rows = d[4], columns = d[5];
  team.run(N, [&](long n) {
    for (long row = 0; row < rows; row++)
      for (long column = 0; column < columns; column++) {
        const long top = row * H / rows, bottom = ((row + 1) * H + rows - 1) / rows;
        const long left = column * W / columns, right = ((column + 1) * W + columns - 1) / columns;
        const float share = 1.0f / ((bottom - top) * (right - left));
        for (long y = top; y < bottom; y++)
          for (long x = left; x < right; x++)
            visit((n * H + y) * W + x, (n * rows + row) * columns + column, share);
      }
  });
}

// buffers: x, pooled
void cell_average(Op& op, Team& team) {
  const long C = op.dims[3];
  std::fill(op.floats(1), op.floats(1) + op.dims[0] * op.dims[4] * op.dims[5] * C, 0.0f);
  cells(op.dims, team, [&](long in, long cell, float share) {
    kernels().add(op.floats(0) + in * C, op.floats(1) + cell * C, C, share);
  });
}

// Adds to dx. buffers: dpooled, dx
void cell_gradient(Op& op, Team& team) {
  const long C = op.dims[3];
  cells(op.dims, team, [&](long in, long cell, float share) {
    kernels().add(op.floats(0) + cell * C, op.floats(1) + in * C, C, share);
  });
}

// Overwrites dx: the whole-map pool is the last reader of its map. buffers: dpooled, dx
void cell_gradient_only(Op& op, Team& team) {
  std::fill(op.floats(1), op.floats(1) + op.dims[0] * op.dims[1] * op.dims[2] * op.dims[3], 0.0f);
  cell_gradient(op, team);
}

std::vector<long> window_sizes(const std::vector<long>& d, bool indexed, bool backward) {
  const long x = product(d[0], d[1], d[2], d[3]), y = product(d[0], d[4], d[5], d[3]);
  if (indexed) return backward ? std::vector<long>{y, y, x} : std::vector<long>{x, y, y};
  return backward ? std::vector<long>{y, x} : std::vector<long>{x, y};
}

std::vector<long> cell_sizes(const std::vector<long>& d, bool backward) {
  const long x = product(d[0], d[1], d[2], d[3]), y = product(d[0], d[4], d[5], d[3]);
  return backward ? std::vector<long>{y, x} : std::vector<long>{x, y};
}

}  // namespace

const std::vector<OpKind> pooling_ops = {
    {"max-pool", 12, [](const std::vector<long>& d) { return window_sizes(d, true, false); }, maximum},
    {"max-pool-dx", 12, [](const std::vector<long>& d) { return window_sizes(d, true, true); }, maximum_gradient},
    {"average-pool", 12, [](const std::vector<long>& d) { return window_sizes(d, false, false); }, average},
    {"average-pool-dx", 12, [](const std::vector<long>& d) { return window_sizes(d, false, true); }, average_gradient},
    {"cells", 6, [](const std::vector<long>& d) { return cell_sizes(d, false); }, cell_average},
    {"cells-add-dx", 6, [](const std::vector<long>& d) { return cell_sizes(d, true); }, cell_gradient},
    {"cells-dx", 6, [](const std::vector<long>& d) { return cell_sizes(d, true); }, cell_gradient_only},
};

}  // namespace fovea::train
