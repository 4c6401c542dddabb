// Masks in training: the masked residual add, hard Gumbel-softmax decisions, and their rates.
#include <algorithm>
#include <cmath>

#include "train/op.h"

namespace fovea::train {
namespace {

// dims: N, H, W, C, rows, columns (0, 0: no mask); pixel y belongs to cell row floor(y · rows / H)
struct Grid {
  long N, H, W, C, rows, columns;
  bool masked() const { return rows > 0; }
};

Grid grid_of(const std::vector<long>& d) { return {d[0], d[1], d[2], d[3], d[4], d[5]}; }

// Calls visit(first pixel, count, cell or -1) for runs of a row that share one cell; one image per part.
template <typename Visit>
void runs(const Grid& s, Team& team, const Visit& visit) {
  team.run(s.N, [&](long n) {
    for (long y = 0; y < s.H; y++) {
      const long row = (n * s.H + y) * s.W;
      if (!s.masked()) {
        visit(row, s.W, -1L);
        continue;
      }
      const long cell_row = (n * s.rows + y * s.rows / s.H) * s.columns;
      for (long x = 0; x < s.W;) {
        const long column = x * s.columns / s.W;
        // First pixel of the next column: the smallest x with floor(x · columns / W) > column.
        const long next = std::min(s.W, ((column + 1) * s.W + s.columns - 1) / s.columns);
        visit(row + x, next - x, cell_row + column);
        x = next;
      }
    }
  });
}

// z = max(0, (x · scale + shift) · mask + identity). buffers: x, scale, shift, identity, z[, mask]
void residual(Op& op, Team& team) {
  const Grid s = grid_of(op.dims);
  runs(s, team, [&](long pixel, long count, long cell) {
    const float mask = cell < 0 ? 1.0f : op.floats(5)[cell];
    const long at = pixel * s.C;
    kernels().blend(op.floats(0) + at, op.floats(3) + at, op.floats(4) + at, count, s.C, op.floats(1), op.floats(2), mask);
  });
}

// dz becomes the identity's gradient; dmask is added to. buffers: dz, z, x, scale, shift, df[, mask, dmask]
void residual_gradient(Op& op, Team& team) {
  const Grid s = grid_of(op.dims);
  runs(s, team, [&](long pixel, long count, long cell) {
    const float mask = cell < 0 ? 1.0f : op.floats(6)[cell];
    const long at = pixel * s.C;
    const float sum = kernels().blend_gradient(op.floats(0) + at, op.floats(1) + at, op.floats(2) + at, op.floats(5) + at,
                                               count, s.C, op.floats(3), op.floats(4), mask);
    if (cell >= 0) op.floats(7)[cell] += sum;
  });
}

// A uniform number in (0, 1), a function of the run's seed, the step, the op and the cell.
double uniform(uint32_t seed, uint32_t step, uint32_t stream, uint32_t index) {
  uint64_t h = (static_cast<uint64_t>(seed) << 32 | step) + 0x9e3779b97f4a7c15ull * (static_cast<uint64_t>(stream) << 32 | index);
  for (int round = 0; round < 2; round++) {
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9ull;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebull;
    h ^= h >> 31;
  }
  return (static_cast<double>(h >> 12) + 0.5) / 4503599627370496.0;
}

// Hard Gumbel-softmax over (compute, skip). The difference of two Gumbel variables is logistic, so one draw decides.
// dims: images, cells an image, stream, sampled (else: no noise), always (images whose cells are all active)
// buffers: logits (2 a cell), random (seed, step), gumbel (temperature, share of the noise), mask, soft
void gumbel(Op& op, Team&) {
  const long cells = op.dims[1], count = op.dims[0] * cells;
  const bool sampled = op.dims[3] != 0;
  const uint32_t *random = op.buffers[1].bits();
  const float* logits = op.floats(0);
  for (long i = 0; i < count; i++) {
    double margin = static_cast<double>(logits[2 * i]) - logits[2 * i + 1];
    float soft = 0;
    if (sampled) {
      const double u = uniform(random[0], random[1], static_cast<uint32_t>(op.dims[2]), static_cast<uint32_t>(i));
      margin += op.floats(2)[1] * (std::log(u) - std::log1p(-u));
      soft = static_cast<float>(1.0 / (1.0 + std::exp(-margin / op.floats(2)[0])));
    }
    const bool always = i / cells < op.dims[4];
    op.floats(3)[i] = always || margin >= 0 ? 1.0f : 0.0f;
    op.floats(4)[i] = soft;
  }
}

// Straight-through estimator: the gradient of the hard mask is used as that of the soft one.
// dims: as gumbel; buffers: dmask, soft, gumbel, dlogits
void gumbel_gradient(Op& op, Team&) {
  const long cells = op.dims[1], count = op.dims[0] * cells;
  for (long i = 0; i < count; i++) {
    const float soft = op.floats(1)[i];
    const float slope = i / cells < op.dims[4] ? 0.0f : op.floats(0)[i] * soft * (1 - soft) / op.floats(2)[0];
    op.floats(3)[2 * i] = slope;
    op.floats(3)[2 * i + 1] = -slope;
  }
}

// Active fraction of the output map, and of the map that the branch's convolution before the last spatial one computes:
// the mask seen through a kernel of `reach` at `stride`. Images before `first` are left out.
// dims: N, first, rows, columns, H, W, stride, reach, padding, IH, IW; buffers: mask, rates (rate, dilated)
void rates(Op& op, Team&) {
  const auto& d = op.dims;
  const long N = d[0], first = d[1], rows = d[2], columns = d[3], H = d[4], W = d[5], stride = d[6], reach = d[7];
  const long padding = d[8], IH = d[9], IW = d[10];
  std::vector<char> seen(IH * IW);
  long active = 0, dilated = 0;
  for (long n = first; n < N; n++) {
    std::fill(seen.begin(), seen.end(), 0);
    for (long y = 0; y < H; y++)
      for (long x = 0; x < W; x++) {
        if (op.floats(0)[(n * rows + y * rows / H) * columns + x * columns / W] == 0) continue;
        active++;
        const long top = y * stride - padding, left = x * stride - padding;
        for (long iy = std::max(0L, top); iy < std::min(IH, top + reach); iy++)
          for (long ix = std::max(0L, left); ix < std::min(IW, left + reach); ix++) seen[iy * IW + ix] = 1;
      }
    dilated += std::count(seen.begin(), seen.end(), 1);
  }
  const double images = std::max(1L, N - first);
  op.floats(1)[0] = static_cast<float>(active / (images * H * W));
  op.floats(1)[1] = static_cast<float>(dilated / (images * IH * IW));
}

std::vector<long> residual_sizes(const std::vector<long>& d, bool backward) {
  const Grid s = grid_of(d);
  const long map = product(s.N, s.H, s.W, s.C), cells = product(s.N, s.rows, s.columns);
  if ((s.rows > 0) != (s.columns > 0) || s.rows > s.H || s.columns > s.W) return {-1};
  std::vector<long> needs = backward ? std::vector<long>{map, map, map, s.C, s.C, map} : std::vector<long>{map, s.C, s.C, map, map};
  if (s.masked()) needs.push_back(cells);
  if (s.masked() && backward) needs.push_back(cells);
  return needs;
}

}  // namespace

const std::vector<OpKind> mask_ops = {
    {"residual", 6, [](const std::vector<long>& d) { return residual_sizes(d, false); }, residual},
    {"residual-dx", 6, [](const std::vector<long>& d) { return residual_sizes(d, true); }, residual_gradient},
    {"gumbel", 5,
     [](const std::vector<long>& d) {
       const long cells = product(d[0], d[1]);
       return std::vector<long>{product(2, cells), 2, 2, cells, cells};
     },
     gumbel},
    {"gumbel-dx", 5,
     [](const std::vector<long>& d) {
       const long cells = product(d[0], d[1]);
       return std::vector<long>{cells, cells, 2, product(2, cells)};
     },
     gumbel_gradient},
    {"rates", 11,
     [](const std::vector<long>& d) {
       const bool covers = d[2] >= 1 && d[3] >= 1 && d[2] <= d[4] && d[3] <= d[5];
       const long input = product(d[9], d[10]), steps = product(d[0], d[4], d[5], std::min(d[7], d[9]), std::min(d[7], d[10]));
       const bool small = input >= 1 && input <= kMostPixels && steps >= 1 && steps <= kMostSteps;
       return std::vector<long>{covers && small ? product(d[0], d[2], d[3]) : -1, 2};
     },
     rates},
};

}  // namespace fovea::train
