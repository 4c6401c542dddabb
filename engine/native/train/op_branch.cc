// Operations around the convolutions of a frozen network: activations, the scale of squeeze-and-excitation, masked
// residual additions, and the work that remains under a mask.
#include <algorithm>
#include <cstring>

#include "train/op.h"

namespace fovea::train {
namespace {

long activations() { return static_cast<long>(Activation::prelu); }

bool has_slopes(const std::vector<long>& dims) { return dims[2] == static_cast<long>(Activation::prelu); }

template <class Visit>
void row_parts(Team& team, long rows, long C, const Visit& visit) {
  const long parts = parts_of(rows * C, 8192), share = (rows + parts - 1) / parts;
  team.run(parts, [&](long part) {
    const long first = part * share, count = std::min(rows, first + share) - first;
    if (count > 0) visit(part, first, count);
  });
}

// dims: rows, C, activation; buffers: x, scale, shift, y (may be x)[, slopes of a PReLU]
void activate(Op& op, Team& team) {
  const long C = op.dims[1];
  row_parts(team, op.dims[0], C, [&](long, long first, long count) {
    kernels().activate(op.floats(0) + first * C, op.floats(3) + first * C, count, C, op.floats(1), op.floats(2),
                       has_slopes(op.dims) ? op.floats(4) : nullptr, static_cast<Activation>(op.dims[2]));
  });
}

// dims: as activate, then 1 with gradients of scale and shift;
// buffers: dy, x, scale, shift, dx (may be dy)[, slopes of a PReLU][, dscale, dshift]
void activate_gradient(Op& op, Team& team) {
  const long rows = op.dims[0], C = op.dims[1];
  const float* slopes = has_slopes(op.dims) ? op.floats(5) : nullptr;
  const size_t norm = slopes ? 6 : 5;
  const bool learned = op.dims[3] != 0;
  const long parts = parts_of(rows * C, 8192);
  if (learned) op.scratch.assign(parts * 2 * C, 0.0f);
  row_parts(team, rows, C, [&](long part, long first, long count) {
    float* sums = learned ? op.scratch.data() + part * 2 * C : nullptr;
    kernels().activate_gradient(op.floats(0) + first * C, op.floats(1) + first * C, op.floats(4) + first * C, count, C,
                                op.floats(2), op.floats(3), slopes, static_cast<Activation>(op.dims[2]), sums,
                                learned ? sums + C : nullptr);
  });
  if (!learned) return;
  float *dscale = op.floats(norm), *dshift = op.floats(norm + 1);
  std::fill(dscale, dscale + C, 0.0f);
  std::fill(dshift, dshift + C, 0.0f);
  for (long part = 0; part < parts; part++) {
    kernels().add(op.scratch.data() + part * 2 * C, dscale, C, 1.0f);
    kernels().add(op.scratch.data() + part * 2 * C + C, dshift, C, 1.0f);
  }
}

// Multiplies every pixel of an image by the image's gate. dims: N, pixels, C; buffers: x, gate, zeros (C), y (may be x)
void scale(Op& op, Team& team) {
  const long pixels = op.dims[1], C = op.dims[2];
  team.run(op.dims[0], [&](long n) {
    kernels().affine(op.floats(0) + n * pixels * C, op.floats(3) + n * pixels * C, pixels, C, op.floats(1) + n * C,
                     op.floats(2), false);
  });
}

// dims: as scale; buffers: dy, x, gate, zeros (C), dx (may be dy), dgate
void scale_gradient(Op& op, Team& team) {
  const long N = op.dims[0], pixels = op.dims[1], C = op.dims[2];
  op.scratch.assign(N * C, 0.0f);
  std::fill(op.floats(5), op.floats(5) + N * C, 0.0f);
  team.run(N, [&](long n) {
    const long at = n * pixels * C;
    const float *gate = op.floats(2) + n * C, *zeros = op.floats(3);
    kernels().affine_sums(op.floats(0) + at, op.floats(1) + at, pixels, C, gate, zeros, false, op.scratch.data() + n * C,
                          op.floats(5) + n * C);
    kernels().affine(op.floats(0) + at, op.floats(4) + at, pixels, C, gate, zeros, false);
  });
}

// dims: N, H, W, C, rows, columns (0, 0: no mask); pixel y belongs to cell row floor(y · rows / H)
// Calls visit(first value, count of values, cell or -1) for runs of a row that share one cell; one image a part.
template <class Visit>
void runs(const std::vector<long>& d, Team& team, const Visit& visit) {
  const long H = d[1], W = d[2], C = d[3], rows = d[4], columns = d[5];
  team.run(d[0], [&](long n) {
    for (long y = 0; y < H; y++) {
      const long row = (n * H + y) * W;
      if (rows == 0) {
        visit(row * C, W * C, -1L);
        continue;
      }
      const long cells = (n * rows + y * rows / H) * columns;
      for (long x = 0; x < W;) {
        const long column = x * columns / W, next = std::min(W, ((column + 1) * W + columns - 1) / columns);
        visit((row + x) * C, (next - x) * C, cells + column);
        x = next;
      }
    }
  });
}

// z = x · mask + identity. buffers: x, identity, z[, mask]
void masked_add(Op& op, Team& team) {
  runs(op.dims, team, [&](long at, long count, long cell) {
    std::memcpy(op.floats(2) + at, op.floats(1) + at, count * sizeof(float));
    const float mask = cell < 0 ? 1.0f : op.floats(3)[cell];
    if (mask != 0) kernels().add(op.floats(0) + at, op.floats(2) + at, count, mask);
  });
}

// dx = dz · mask, dmask[cell] += dz · x; dz itself is the identity's gradient. buffers: dz, x, mask, dx, dmask
void masked_add_gradient(Op& op, Team& team) {
  runs(op.dims, team, [&](long at, long count, long cell) {
    const float mask = op.floats(2)[cell];
    if (mask == 1) std::memcpy(op.floats(3) + at, op.floats(0) + at, count * sizeof(float));
    else std::fill(op.floats(3) + at, op.floats(3) + at + count, 0.0f);
    op.floats(4)[cell] += kernels().dot(op.floats(0) + at, op.floats(1) + at, count);
  });
}

// The share of a branch's cost that remains under a mask: the last convolution is computed at the mask's pixels, each
// earlier one at the pixels that its successor reads.
// dims: N, rows, columns, convolutions, then per convolution H, W (of its output), KH, KW, SH, SW, PT, PL, DH, DW;
// buffers: mask, costs (one a convolution, their sum is 1), rates (share, 0), active (share of the cells)
void work(Op& op, Team& team) {
  constexpr long kFields = 10;
  const auto& d = op.dims;
  const long N = d[0], rows = d[1], columns = d[2], count = d[3];
  std::vector<double> shares(N);
  team.run(N, [&](long n) {
    const long* s = d.data() + 4 + (count - 1) * kFields;
    std::vector<char> region(s[0] * s[1]), read;
    const float* mask = op.floats(0) + n * rows * columns;
    for (long y = 0; y < s[0]; y++)
      for (long x = 0; x < s[1]; x++) region[y * s[1] + x] = mask[y * rows / s[0] * columns + x * columns / s[1]] != 0;
    for (long i = count - 1;; i--) {
      const long H = s[0], W = s[1];
      shares[n] += op.floats(1)[i] * std::count(region.begin(), region.end(), 1) / static_cast<double>(H * W);
      if (i == 0) break;
      const long *k = s, *to = s - kFields;
      read.assign(to[0] * to[1], 0);
      for (long y = 0; y < H; y++)
        for (long x = 0; x < W; x++) {
          if (!region[y * W + x]) continue;
          for (long ky = 0; ky < k[2]; ky++) {
            const long iy = y * k[4] - k[6] + ky * k[8];
            if (iy < 0 || iy >= to[0]) continue;
            for (long kx = 0; kx < k[3]; kx++) {
              const long ix = x * k[5] - k[7] + kx * k[9];
              if (ix >= 0 && ix < to[1]) read[iy * to[1] + ix] = 1;
            }
          }
        }
      region.swap(read);
      s = to;
    }
  });
  double share = 0, active = 0;
  for (long n = 0; n < N; n++) share += shares[n] / N;
  for (long i = 0; i < N * rows * columns; i++) active += op.floats(0)[i] / (N * rows * columns);
  op.floats(2)[0] = static_cast<float>(share);
  op.floats(2)[1] = 0;
  op.floats(3)[0] = static_cast<float>(active);
}

std::vector<long> activate_sizes(const std::vector<long>& d, bool backward) {
  const long map = product(d[0], d[1]);
  if (d[2] > activations()) return {-1};
  std::vector<long> sizes = backward ? std::vector<long>{map, map, d[1], d[1], map} : std::vector<long>{map, d[1], d[1], map};
  if (has_slopes(d)) sizes.push_back(d[1]);
  if (backward && d[3] != 0) sizes.insert(sizes.end(), 2, d[1]);
  return sizes;
}

std::vector<long> masked_sizes(const std::vector<long>& d, bool backward) {
  const long map = product(d[0], d[1], d[2], d[3]), cells = product(d[0], d[4], d[5]);
  const bool masked = d[4] > 0;
  if (masked != (d[5] > 0) || d[4] > d[1] || d[5] > d[2] || (backward && !masked)) return {-1};
  if (backward) return {map, map, cells, map, cells};
  if (!masked) return {map, map, map};
  return {map, map, map, cells};
}

std::vector<long> work_sizes(const std::vector<long>& d) {
  if (d[3] < 1 || static_cast<long>(d.size()) != 4 + 10 * d[3]) return {-1};
  for (long i = 0; i < d[3]; i++) {
    const long H = d[4 + 10 * i], W = d[5 + 10 * i];
    const long steps = product(d[0], H, W, d[6 + 10 * i], d[7 + 10 * i]);
    if (product(H, W) > kMostPixels || steps < 1 || steps > kMostSteps) return {-1};
  }
  const bool covers = d[1] >= 1 && d[2] >= 1 && d[1] <= d[d.size() - 10] && d[2] <= d[d.size() - 9];
  return {covers ? product(d[0], d[1], d[2]) : -1, d[3], 2, 1};
}

}  // namespace

const std::vector<OpKind> branch_ops = {
    {"activate", 3, [](const std::vector<long>& d) { return activate_sizes(d, false); }, activate},
    {"activate-dx", 4,
     [](const std::vector<long>& d) {
       return activate_sizes(d, true);
     },
     activate_gradient},
    {"scale", 3,
     [](const std::vector<long>& d) {
       const long map = product(d[0], d[1], d[2]);
       return std::vector<long>{map, product(d[0], d[2]), d[2], map};
     },
     scale},
    {"scale-dx", 3,
     [](const std::vector<long>& d) {
       const long map = product(d[0], d[1], d[2]), gates = product(d[0], d[2]);
       return std::vector<long>{map, map, gates, d[2], map, gates};
     },
     scale_gradient},
    {"masked-add", 6, [](const std::vector<long>& d) { return masked_sizes(d, false); }, masked_add},
    {"masked-add-dx", 6, [](const std::vector<long>& d) { return masked_sizes(d, true); }, masked_add_gradient},
    {"work", 4, work_sizes, work},
};

}  // namespace fovea::train
