// Distillation: losses that make one network imitate another without labels, and the Adam step.
#include <algorithm>
#include <cmath>

#include "train/op.h"

namespace fovea::train {
namespace {

// weight · T² · KL(teacher/T ‖ student/T), mean over rows; its gradient is written.
// dims: rows, classes; buffers: student, teacher, settings (weight, T), dstudent, report (divergence, equal classes)
void divergence(Op& op, Team& team) {
  const long rows = op.dims[0], classes = op.dims[1];
  const double weight = op.floats(2)[0], T = op.floats(2)[1];
  const long parts = parts_of(rows * classes, 1024), share = (rows + parts - 1) / parts;
  std::vector<double> sums(parts), same(parts);
  team.run(parts, [&](long part) {
    std::vector<double> p(classes), q(classes);
    const auto log_softmax = [&](const float* logits, std::vector<double>& out) {
      const double largest = *std::max_element(logits, logits + classes) / T;
      double sum = 0;
      for (long c = 0; c < classes; c++) sum += std::exp(logits[c] / T - largest);
      for (long c = 0; c < classes; c++) out[c] = logits[c] / T - largest - std::log(sum);
    };
    for (long row = part * share; row < std::min(rows, (part + 1) * share); row++) {
      const float *student = op.floats(0) + row * classes, *teacher = op.floats(1) + row * classes;
      float* gradient = op.floats(3) + row * classes;
      log_softmax(student, q);
      log_softmax(teacher, p);
      for (long c = 0; c < classes; c++) {
        const double likely = std::exp(p[c]);
        sums[part] += T * T * likely * (p[c] - q[c]);
        gradient[c] = static_cast<float>(weight * T * (std::exp(q[c]) - likely) / rows);
      }
      same[part] += std::max_element(student, student + classes) - student == std::max_element(teacher, teacher + classes) - teacher;
    }
  });
  double sum = 0, agreed = 0;
  for (long part = 0; part < parts; part++) sum += sums[part], agreed += same[part];
  op.floats(4)[0] = static_cast<float>(sum / rows);
  op.floats(4)[1] = static_cast<float>(agreed);
}

// weight · |student − teacher|² / |teacher|² of a batch of maps; its gradient is written, or added with `add`.
// dims: count, add; buffers: student, teacher, settings (weight), dstudent, report (relative distance)
void distance(Op& op, Team& team) {
  const long count = op.dims[0], parts = parts_of(count, 16384), share = (count + parts - 1) / parts;
  const float *student = op.floats(0), *teacher = op.floats(1);
  std::vector<double> apart(parts), length(parts);
  team.run(parts, [&](long part) {
    for (long i = part * share; i < std::min(count, (part + 1) * share); i++) {
      const double difference = student[i] - teacher[i];
      apart[part] += difference * difference;
      length[part] += static_cast<double>(teacher[i]) * teacher[i];
    }
  });
  double sum = 0, full = 1e-20;
  for (long part = 0; part < parts; part++) sum += apart[part], full += length[part];
  const float slope = static_cast<float>(2 * op.floats(2)[0] / full);
  float* gradient = op.floats(3);
  const bool add = op.dims[1] != 0;
  team.run(parts, [&](long part) {
    for (long i = part * share; i < std::min(count, (part + 1) * share); i++)
      gradient[i] = (add ? gradient[i] : 0.0f) + slope * (student[i] - teacher[i]);
  });
  op.floats(4)[0] = static_cast<float>(sum / full);
}

// dims: count; buffers: w, gradient, m, v, settings (rate, b1, b2, correction of m, correction of v)
void adam(Op& op, Team& team) {
  const long count = op.dims[0], parts = parts_of(count, 16384), share = (count + parts - 1) / parts;
  const float* s = op.floats(4);
  team.run(parts, [&](long part) {
    const long at = part * share, length = std::min(count, at + share) - at;
    if (length > 0)
      kernels().adam(op.floats(0) + at, op.floats(1) + at, op.floats(2) + at, op.floats(3) + at, length, s[0], s[1], s[2],
                     s[3], s[4]);
  });
}

}  // namespace

const std::vector<OpKind> distil_ops = {
    {"divergence", 2,
     [](const std::vector<long>& d) {
       const long logits = product(d[0], d[1]);
       return std::vector<long>{logits, logits, 2, logits, 2};
     },
     divergence},
    {"distance", 2, [](const std::vector<long>& d) { return std::vector<long>{d[0], d[0], 1, d[0], 1}; }, distance},
    {"adam", 1, [](const std::vector<long>& d) { return std::vector<long>{d[0], d[0], d[0], d[0], 5}; }, adam},
};

}  // namespace fovea::train
