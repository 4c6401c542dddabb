// Losses and the optimiser's step.
#include <algorithm>
#include <cmath>

#include "train/op.h"

namespace fovea::train {
namespace {

// log-softmax of one row at a temperature
void log_softmax(const float* logits, long classes, double temperature, double* out) {
  double largest = -INFINITY, sum = 0;
  for (long c = 0; c < classes; c++) largest = std::max(largest, logits[c] / temperature);
  for (long c = 0; c < classes; c++) sum += std::exp(logits[c] / temperature - largest);
  for (long c = 0; c < classes; c++) out[c] = logits[c] / temperature - largest - std::log(sum);
}

// Cross entropy with label smoothing, plus α·T²·KL(teacher/T ‖ student/T) when there is a teacher; batch means.
// dims: N, classes, distil; buffers: logits, labels (int), settings (α, T, smoothing), dlogits, report (ce, kd, correct)[, teacher]
void classify(Op& op, Team&) {
  const long N = op.dims[0], classes = op.dims[1];
  const bool distil = op.dims[2] != 0;
  const double alpha = op.floats(2)[0], temperature = op.floats(2)[1], smoothing = op.floats(2)[2];
  std::vector<double> student(classes), soft(classes), teacher(classes);
  double entropy = 0, divergence = 0, correct = 0;
  for (long n = 0; n < N; n++) {
    const float* logits = op.floats(0) + n * classes;
    float* gradient = op.floats(3) + n * classes;
    const long label = std::clamp<long>(op.buffers[1].ints()[n], 0, classes - 1);
    log_softmax(logits, classes, 1, student.data());
    for (long c = 0; c < classes; c++) {
      const double target = (c == label ? 1 - smoothing : 0) + smoothing / classes;
      entropy -= target * student[c] / N;
      gradient[c] = static_cast<float>((std::exp(student[c]) - target) / N);
    }
    correct += std::max_element(logits, logits + classes) - logits == label;
    if (!distil) continue;
    log_softmax(logits, classes, temperature, soft.data());
    log_softmax(op.floats(5) + n * classes, classes, temperature, teacher.data());
    for (long c = 0; c < classes; c++) {
      const double p = std::exp(teacher[c]);
      divergence += temperature * temperature * p * (teacher[c] - soft[c]) / N;
      gradient[c] += static_cast<float>(alpha * temperature * (std::exp(soft[c]) - p) / N);
    }
  }
  op.floats(4)[0] = static_cast<float>(entropy);
  op.floats(4)[1] = static_cast<float>(divergence);
  op.floats(4)[2] = static_cast<float>(correct);
}

// λ·((F/F_full − t)² + mean_b(max(0, ρ_b − u)² + max(0, l − ρ_b)²)) and its gradient per mask cell.
// ρ_b is the remaining share of the work that the mask can skip. LASNet counts the projection as well, with which a
// block with a large projection could be skipped entirely within any bounds.
// The dilated rate's slope is taken to be the rate's own (straight through).
// dims: blocks, first image left in, N, then one count of cells an image per block
// buffers: rates (rate, dilated a block), costs (fixed, dilated share, rate share a block, then the rest of the network),
//          settings (λ, t, u, l), report (F/F_full, loss), then dmask of each block (overwritten)
void budget(Op& op, Team&) {
  const long blocks = op.dims[0], first = op.dims[1], N = op.dims[2];
  const float *rates = op.floats(0), *costs = op.floats(1), *settings = op.floats(2);
  const double lambda = settings[0], target = settings[1], upper = settings[2], lower = settings[3];
  double used = costs[3 * blocks], full = used;
  for (long b = 0; b < blocks; b++) {
    used += costs[3 * b] + costs[3 * b + 1] * rates[2 * b + 1] + costs[3 * b + 2] * rates[2 * b];
    full += costs[3 * b] + costs[3 * b + 1] + costs[3 * b + 2];
  }
  const double excess = used / full - target;
  double loss = excess * excess;
  for (long b = 0; b < blocks; b++) {
    const double variable = costs[3 * b + 1] + costs[3 * b + 2];
    const double share = (costs[3 * b + 1] * rates[2 * b + 1] + costs[3 * b + 2] * rates[2 * b]) / variable;
    const double over = std::max(0.0, share - upper), under = std::max(0.0, lower - share);
    loss += (over * over + under * under) / blocks;
    const double slope = lambda * (2 * excess * variable / full + 2 * (over - under) / blocks);
    const long cells = op.dims[3 + b];
    const float each = static_cast<float>(slope / (static_cast<double>(std::max(1L, N - first)) * cells));
    float* dmask = op.floats(4 + b);
    std::fill(dmask, dmask + first * cells, 0.0f);
    std::fill(dmask + first * cells, dmask + N * cells, each);
  }
  op.floats(3)[0] = static_cast<float>(used / full);
  op.floats(3)[1] = static_cast<float>(lambda * loss);
}

// dims: count; buffers: w, gradient, velocity, settings (rate, momentum, decay), multiplier
void descend(Op& op, Team& team) {
  const long count = op.dims[0], parts = parts_of(count, 16384), share = (count + parts - 1) / parts;
  const float* settings = op.floats(3);
  team.run(parts, [&](long part) {
    const long first = part * share, length = std::min(count, first + share) - first;
    if (length > 0)
      kernels().descend(op.floats(0) + first, op.floats(1) + first, op.floats(2) + first, length,
                        settings[0] * op.floats(4)[0], settings[1], settings[2]);
  });
}

}  // namespace

const std::vector<OpKind> loss_ops = {
    {"classify", 3,
     [](const std::vector<long>& d) {
       const long logits = product(d[0], d[1]);
       std::vector<long> needs{logits, d[0], 3, logits, 3};
       if (d[2] != 0) needs.push_back(logits);
       return needs;
     },
     classify},
    {"budget", 3,
     [](const std::vector<long>& d) {
       const long blocks = d[0];
       if (static_cast<long>(d.size()) != 3 + blocks) return std::vector<long>{-1};
       std::vector<long> needs{2 * blocks, 3 * blocks + 1, 4, 2};
       for (long b = 0; b < blocks; b++) needs.push_back(d[1] > d[2] ? -1 : product(d[2], d[3 + b]));
       return needs;
     },
     budget},
    {"descend", 1,
     [](const std::vector<long>& d) { return std::vector<long>{d[0], d[0], d[0], 3, 1}; }, descend},
};

}  // namespace fovea::train
