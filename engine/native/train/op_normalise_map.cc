// Maps normalised by statistics of each image.
#include <algorithm>
#include <cmath>
#include <vector>

#include "common/statistics.h"
#include "train/op.h"

namespace fovea::train {
namespace {

// Statistics of one image's channels, and what follows from them for each.
struct Image {
  long plane, C, size;
  Statistics by;
  std::vector<double> away, factor, norm;
  double mean_norm = 0;

  Image(const Op& op, const float* x, float epsilon)
      : plane(op.dims[1]), C(op.dims[2]), size(C / op.dims[3]), by(static_cast<Statistics>(op.dims[4])), away(C), factor(C), norm(C) {
    if (by == Statistics::moments) {
      away = sums([&](long at, long) { return static_cast<double>(x[at]); });
      spread(away, 1.0 / static_cast<double>(plane * size));
    }
    const std::vector<double> squares = sums([&](long at, long c) { return (x[at] - away[c]) * (x[at] - away[c]); });
    for (long c = 0; c < C; c++) norm[c] = std::sqrt(squares[c]);
    factor = by == Statistics::moments ? squares : norm;
    spread(factor, 1.0 / static_cast<double>(by == Statistics::moments ? plane * size : size));
    if (by == Statistics::moments) {
      for (double& value : factor) value = 1 / std::sqrt(value + epsilon);
      return;
    }
    mean_norm = factor[0] + epsilon;
    for (long c = 0; c < C; c++) factor[c] = norm[c] / mean_norm;
  }

  // Over the pixels of each channel; `term` is given the place of a value and its channel.
  template <class Term>
  std::vector<double> sums(const Term& term) const {
    std::vector<double> sums(C);
    for (long at = 0; at < plane * C; at += C)
      for (long c = 0; c < C; c++) sums[c] += term(at + c, c);
    return sums;
  }

  // Gives the channels of each group their sum times a share.
  void spread(std::vector<double>& values, double share) const {
    for (long first = 0; first < C; first += size) {
      double sum = 0;
      for (long c = first; c < first + size; c++) sum += values[c];
      std::fill(values.begin() + first, values.begin() + first + size, sum * share);
    }
  }
};

// dims: N, pixels, C, groups, statistics; buffers: x, epsilon (1), y
void forward(Op& op, Team& team) {
  const long values = op.dims[1] * op.dims[2];
  team.run(op.dims[0], [&](long n) {
    const float* x = op.floats(0) + n * values;
    float* y = op.floats(2) + n * values;
    const Image image(op, x, *op.floats(1));
    for (long at = 0; at < values; at += image.C)
      for (long c = 0; c < image.C; c++)
        y[at + c] = static_cast<float>((x[at + c] - image.away[c]) * image.factor[c]);
  });
}

// By moments dx = factor · (dy − mean(dy) − y · mean(dy · y)); by response each channel's factor has a gradient of its
// own, which goes to its norm and, by their mean, to the norms of all.
// dims: as before; buffers: dy, x, epsilon (1), dx (may be dy)
void backward(Op& op, Team& team) {
  const long values = op.dims[1] * op.dims[2];
  team.run(op.dims[0], [&](long n) {
    const float *dy = op.floats(0) + n * values, *x = op.floats(1) + n * values;
    float* dx = op.floats(3) + n * values;
    const Image image(op, x, *op.floats(2));
    const long C = image.C;
    const auto centred = [&](long at, long c) { return x[at] - image.away[c]; };
    std::vector<double> along = image.sums([&](long at, long c) { return dy[at] * centred(at, c); });
    std::vector<double> plain(C);
    if (image.by == Statistics::moments) {
      const double share = 1.0 / static_cast<double>(image.plane * image.size);
      plain = image.sums([&](long at, long) { return static_cast<double>(dy[at]); });
      image.spread(plain, share);
      image.spread(along, share);
      for (long c = 0; c < C; c++) {
        along[c] *= -image.factor[c] * image.factor[c] * image.factor[c];
        plain[c] *= -image.factor[c];
      }
    } else {
      double all = 0;
      for (long c = 0; c < C; c++) all += along[c] * image.factor[c];
      for (long c = 0; c < C; c++) {
        const double slope = (along[c] - all / static_cast<double>(C)) / image.mean_norm;
        along[c] = image.norm[c] > 0 ? slope / image.norm[c] : 0;
      }
    }
    for (long at = 0; at < values; at += C)
      for (long c = 0; c < C; c++)
        dx[at + c] = static_cast<float>(image.factor[c] * dy[at + c] + plain[c] + along[c] * centred(at + c, c));
  });
}

std::vector<long> sizes(const std::vector<long>& d, bool goes_back) {
  const bool known = d[4] < static_cast<long>(Statistics::count);
  if (!known || d[2] < 1 || !groups_fit(static_cast<Statistics>(d[4]), d[3], d[2])) return {-1};
  const long map = product(d[0], d[1], d[2]);
  return goes_back ? std::vector<long>{map, map, 1, map} : std::vector<long>{map, 1, map};
}

}  // namespace

const std::vector<OpKind> map_normalisation_ops = {
    {"normalise-map", 5, [](const std::vector<long>& d) { return sizes(d, false); }, forward},
    {"normalise-map-dx", 5, [](const std::vector<long>& d) { return sizes(d, true); }, backward},
};

}  // namespace fovea::train
