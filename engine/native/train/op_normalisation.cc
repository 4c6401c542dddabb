// Batch norm in three steps: statistics → one scale and shift per channel → affine map. Layer normalisation of rows without
// scale and shift, which an activation applies.
#include <algorithm>
#include <cmath>

#include "train/op.h"

namespace fovea::train {
namespace {

constexpr float kEpsilon = 1e-5f;
constexpr float kMomentum = 0.1f;
// Number of rows summed in single precision before the sum is added in double precision.
constexpr long kRun = 256;

// Two sums over all rows for each channel, `add(first, count, run)` adding those of some rows to a run of 2 C.
template <class Add>
std::vector<double> channel_sums(Team& team, long rows, long C, Add add) {
  const long parts = parts_of(rows, 2 * kRun), share = (rows + parts - 1) / parts;
  std::vector<double> sums(parts * 2 * C);
  team.run(parts, [&](long part) {
    std::vector<float> run(2 * C);
    double* total = sums.data() + part * 2 * C;
    const long last = std::min(rows, (part + 1) * share);
    for (long first = part * share; first < last; first += kRun) {
      std::fill(run.begin(), run.end(), 0.0f);
      add(first, std::min(kRun, last - first), run.data());
      for (long c = 0; c < 2 * C; c++) total[c] += run[c];
    }
  });
  for (long part = 1; part < parts; part++)
    for (long c = 0; c < 2 * C; c++) sums[c] += sums[part * 2 * C + c];
  return sums;
}

// dims: rows, C; buffers: x, gamma, beta, scale, shift, mean, inverse deviation, running mean, running variance
void moments(Op& op, Team& team) {
  const long rows = op.dims[0], C = op.dims[1];
  const float* x = op.floats(0);
  const std::vector<double> sums = channel_sums(team, rows, C, [&](long first, long count, float* run) {
    kernels().moments(x + first * C, count, C, run, run + C);
  });
  const float *gamma = op.floats(1), *beta = op.floats(2);
  float *scale = op.floats(3), *shift = op.floats(4), *mean = op.floats(5), *inverse = op.floats(6);
  float *running_mean = op.floats(7), *running_variance = op.floats(8);
  for (long c = 0; c < C; c++) {
    const double sum = sums[c], square = sums[C + c];
    const double average = sum / rows, variance = std::max(0.0, square / rows - average * average);
    mean[c] = static_cast<float>(average);
    inverse[c] = static_cast<float>(1.0 / std::sqrt(variance + kEpsilon));
    scale[c] = gamma[c] * inverse[c];
    shift[c] = beta[c] - mean[c] * scale[c];
    const double unbiased = variance * rows / std::max(1L, rows - 1);
    running_mean[c] += kMomentum * (mean[c] - running_mean[c]);
    running_variance[c] += kMomentum * (static_cast<float>(unbiased) - running_variance[c]);
  }
}

// dims: C; buffers: gamma, beta, running mean, running variance, scale, shift
void fold(Op& op, Team&) {
  for (long c = 0; c < op.dims[0]; c++) {
    const float scale = op.floats(0)[c] / std::sqrt(op.floats(3)[c] + kEpsilon);
    op.floats(4)[c] = scale;
    op.floats(5)[c] = op.floats(1)[c] - op.floats(2)[c] * scale;
  }
}

// dims: rows, C, relu; buffers: x, scale, shift, y
void affine(Op& op, Team& team) {
  const long rows = op.dims[0], C = op.dims[1], parts = parts_of(rows * C, 8192), share = (rows + parts - 1) / parts;
  team.run(parts, [&](long part) {
    const long first = part * share, count = std::min(rows, first + share) - first;
    if (count > 0)
      kernels().affine(op.floats(0) + first * C, op.floats(3) + first * C, count, C, op.floats(1), op.floats(2),
                       op.dims[2] != 0);
  });
}

// Gradient through affine and moments together.
// dims: rows, C, relu; buffers: dy, x, gamma, scale, shift, mean, inverse deviation, dx (may be dy), dgamma, dbeta
void gradient(Op& op, Team& team) {
  const long rows = op.dims[0], C = op.dims[1];
  const bool relu = op.dims[2] != 0;
  const float *dy = op.floats(0), *x = op.floats(1), *scale = op.floats(3), *shift = op.floats(4);
  const long parts = parts_of(rows, 2 * kRun), share = (rows + parts - 1) / parts;
  const std::vector<double> sums = channel_sums(team, rows, C, [&](long first, long count, float* run) {
    kernels().affine_sums(dy + first * C, x + first * C, count, C, scale, shift, relu, run, run + C);
  });
  op.scratch.resize(3 * C);
  float *a = op.scratch.data(), *b = a + C, *c0 = b + C;
  for (long c = 0; c < C; c++) {
    const double sum = sums[c], sum_x = sums[C + c];
    const double mean = op.floats(5)[c], inverse = op.floats(6)[c];
    // Σ dy·x̂ from Σ dy·x, as x̂ = (x − mean) · inverse.
    const double normalised = (sum_x - mean * sum) * inverse;
    op.floats(8)[c] = static_cast<float>(normalised);
    op.floats(9)[c] = static_cast<float>(sum);
    const double slope = op.floats(2)[c] * inverse;
    a[c] = static_cast<float>(slope);
    const double linear = -slope * inverse * normalised / rows;
    b[c] = static_cast<float>(linear);
    c0[c] = static_cast<float>(-slope * sum / rows - linear * mean);
  }
  team.run(parts, [&](long part) {
    const long first = part * share, count = std::min(rows, first + share) - first;
    if (count > 0)
      kernels().affine_gradient(dy + first * C, x + first * C, op.floats(7) + first * C, count, C, scale, shift, relu, a,
                                b, c0);
  });
}

// Parts of the rows, each with C ones: a sum is a product with them.
template <class Visit>
void for_rows(Op& op, Team& team, const Visit& visit) {
  const long rows = op.dims[0], C = op.dims[1], parts = parts_of(rows * C, 8192), share = (rows + parts - 1) / parts;
  op.scratch.assign(C, 1.0f);
  team.run(parts, [&](long part) {
    for (long row = part * share; row < std::min(rows, (part + 1) * share); row++) visit(row, op.scratch.data());
  });
}

// x = (x + bias - mean) / sqrt(variance + epsilon), by row; not centred, the mean counts as 0.
// dims: rows, C, whether centred; buffers: x, bias, epsilon (1), inverse deviations (rows)
void normalise_rows(Op& op, Team& team) {
  const long C = op.dims[1];
  const bool centred = op.dims[2] != 0;
  const float epsilon = *op.floats(2);
  for_rows(op, team, [&](long row, const float* ones) {
    float* x = op.floats(0) + row * C;
    kernels().add(op.floats(1), x, C, 1.0f);
    // Twice, as rounding leaves something in a large mean.
    for (int pass = 0; centred && pass < 2; pass++) {
      const float mean = kernels().dot(x, ones, C) / static_cast<float>(C);
      for (long c = 0; c < C; c++) x[c] -= mean;
    }
    const float inverse = 1.0f / std::sqrt(kernels().dot(x, x, C) / static_cast<float>(C) + epsilon);
    for (long c = 0; c < C; c++) x[c] *= inverse;
    op.floats(3)[row] = inverse;
  });
}

// dx = inverse · (dy − mean(dy) − y · mean(dy · y)), by row, with what `normalise-rows` has written; not centred, without
// mean(dy).
// dims: rows, C, whether centred; buffers: dy, y, inverse deviations (rows), dx (may be dy)
void normalise_rows_gradient(Op& op, Team& team) {
  const long C = op.dims[1];
  const bool centred = op.dims[2] != 0;
  for_rows(op, team, [&](long row, const float* ones) {
    const float *dy = op.floats(0) + row * C, *y = op.floats(1) + row * C;
    float* dx = op.floats(3) + row * C;
    const float inverse = op.floats(2)[row];
    const float mean = centred ? kernels().dot(dy, ones, C) / static_cast<float>(C) : 0;
    const float along = kernels().dot(dy, y, C) / static_cast<float>(C);
    for (long c = 0; c < C; c++) dx[c] = inverse * (dy[c] - mean - y[c] * along);
  });
}

}  // namespace

const std::vector<OpKind> normalisation_ops = {
    {"moments", 2,
     [](const std::vector<long>& d) {
       return std::vector<long>{product(d[0], d[1]), d[1], d[1], d[1], d[1], d[1], d[1], d[1], d[1]};
     },
     moments},
    {"fold", 1, [](const std::vector<long>& d) { return std::vector<long>(6, d[0]); }, fold},
    {"affine", 3,
     [](const std::vector<long>& d) {
       const long map = product(d[0], d[1]);
       return std::vector<long>{map, d[1], d[1], map};
     },
     affine},
    {"normalisation-dx", 3,
     [](const std::vector<long>& d) {
       const long map = product(d[0], d[1]);
       return std::vector<long>{map, map, d[1], d[1], d[1], d[1], d[1], map, d[1], d[1]};
     },
     gradient},
    {"normalise-rows", 3,
     [](const std::vector<long>& d) {
       return std::vector<long>{product(d[0], d[1]), d[1], 1, d[0]};
     },
     normalise_rows},
    {"normalise-rows-dx", 3,
     [](const std::vector<long>& d) {
       const long map = product(d[0], d[1]);
       return std::vector<long>{map, map, d[0], map};
     },
     normalise_rows_gradient},
};

}  // namespace fovea::train
