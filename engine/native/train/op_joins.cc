// Channels of maps side by side, and maps made larger.
#include <algorithm>
#include <cstring>

#include "common/sampling.h"
#include "train/op.h"

namespace fovea::train {
namespace {

// What becomes of the channels that are written, and of those beside them.
enum class How : long { copy, add, copy_and_clear_others, count };

// dims: pixels, channels of x, channels of y, first channel read, first channel written, how many, how; buffers: x, y
void channels(Op& op, Team& team) {
  const auto& d = op.dims;
  const long pixels = d[0], read = d[1], written = d[2], from = d[3], to = d[4], count = d[5];
  const auto how = static_cast<How>(d[6]);
  const long parts = parts_of(pixels * count, 8192), share = (pixels + parts - 1) / parts;
  team.run(parts, [&](long part) {
    for (long pixel = part * share; pixel < std::min(pixels, (part + 1) * share); pixel++) {
      const float* x = op.floats(0) + pixel * read + from;
      float* y = op.floats(1) + pixel * written;
      if (how == How::add) {
        kernels().add(x, y + to, count, 1.0f);
        continue;
      }
      if (how == How::copy_and_clear_others) std::fill(y, y + written, 0.0f);
      std::memcpy(y + to, x, count * sizeof(float));
    }
  });
}

std::vector<long> channels_sizes(const std::vector<long>& d) {
  const bool inside = d[3] + d[5] <= d[1] && d[4] + d[5] <= d[2] && d[5] > 0 && d[6] < static_cast<long>(How::count);
  if (!inside) return {-1};
  return {product(d[0], d[1]), product(d[0], d[2])};
}

// Calls visit(input pixel, output pixel, share) for every input pixel that an output pixel is made of, one output row or
// one image a part.
// dims: N, H, W, C, vertical factor, horizontal factor, interpolation
template <class Visit>
void walk(const std::vector<long>& d, Team& team, bool by_image, const Visit& visit) {
  const long N = d[0], H = d[1], W = d[2], OH = H * d[4], OW = W * d[5];
  const auto interpolation = static_cast<Interpolation>(d[6]);
  const Sampling down(interpolation, H, d[4]), across(interpolation, W, d[5]);
  const long units = by_image ? N : N * OH, height = by_image ? OH : 1;
  team.run(units, [&](long unit) {
    for (long row = unit * height; row < (unit + 1) * height; row++) {
      const long image = row / OH * H;
      const Sample y = down.at(row % OH);
      for (long i = 0; i < OW; i++) {
        const Sample x = across.at(i);
        const auto part = [&](long sy, long sx, float share) {
          if (share > 0) visit((image + sy) * W + sx, row * OW + i, share);
        };
        part(y.low, x.low, (1 - y.share) * (1 - x.share));
        part(y.low, x.high, (1 - y.share) * x.share);
        part(y.high, x.low, y.share * (1 - x.share));
        part(y.high, x.high, y.share * x.share);
      }
    }
  });
}

// buffers: x, y
void resize(Op& op, Team& team) {
  const long C = op.dims[3];
  std::fill(op.floats(1), op.floats(1) + op.dims[0] * op.dims[1] * op.dims[4] * op.dims[2] * op.dims[5] * C, 0.0f);
  walk(op.dims, team, false, [&](long in, long out, float share) {
    kernels().add(op.floats(0) + in * C, op.floats(1) + out * C, C, share);
  });
}

// buffers: dy, dx
void resize_gradient(Op& op, Team& team) {
  const long C = op.dims[3];
  std::fill(op.floats(1), op.floats(1) + op.dims[0] * op.dims[1] * op.dims[2] * C, 0.0f);
  walk(op.dims, team, true, [&](long in, long out, float share) {
    kernels().add(op.floats(0) + out * C, op.floats(1) + in * C, C, share);
  });
}

std::vector<long> resize_sizes(const std::vector<long>& d, bool backward) {
  if (d[4] < 1 || d[5] < 1 || d[6] >= static_cast<long>(Interpolation::count)) return {-1};
  const long x = product(d[0], d[1], d[2], d[3]), y = product(d[0], d[1], d[4], d[2], d[5], d[3]);
  return backward ? std::vector<long>{y, x} : std::vector<long>{x, y};
}

}  // namespace

const std::vector<OpKind> join_ops = {
    {"channels", 7, channels_sizes, channels},
    {"resize", 7, [](const std::vector<long>& d) { return resize_sizes(d, false); }, resize},
    {"resize-dx", 7, [](const std::vector<long>& d) { return resize_sizes(d, true); }, resize_gradient},
};

}  // namespace fovea::train
