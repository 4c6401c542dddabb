#include "infer/normalise_map.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fovea {

using limits::chunk_rows;

namespace {

// Parts of an image whose statistics are taken apart from each other; they follow from the map's size alone, so that
// results do not depend on threads.
constexpr long most_parts = 64;

struct Parts {
  long rows, count;
  explicit Parts(const Extent& map) {
    const long plane = static_cast<long>(map.height) * map.width;
    const long chunks = (plane + chunk_rows - 1) / chunk_rows;
    rows = (chunks + most_parts - 1) / most_parts * chunk_rows;
    count = (plane + rows - 1) / rows;
  }
};

// Rows of values of channels that a part has: its means, its sums of squares around them, and the same of one chunk.
constexpr long part_rows = 4;
// What each image's values are scaled by: what is taken away, and what the rest is multiplied by.
constexpr long image_rows = 2;

// Joins sums of squares around the means of two sets of values (Chan et al. 1979).
template <class Value>
void join(double have, double more, Value& mean, Value& squares, double other_mean, double other_squares) {
  const double apart = other_mean - mean, all = have + more;
  mean = static_cast<Value>(mean + apart * more / all);
  squares = static_cast<Value>(squares + other_squares + apart * apart * have * more / all);
}

// The statistics of some rows, chunk by chunk, each of which is read twice while it is near.
void take(const Machine& machine, const float* source, long rows, long C, float* part) {
  float *means = part, *squares = part + C, *near = part + 2 * C, *around = part + 3 * C;
  std::fill(means, means + 2 * C, 0.0f);
  for (long first = 0; first < rows; first += chunk_rows) {
    if (machine.stop->load(std::memory_order_relaxed)) return;
    const long count = std::min(chunk_rows, rows - first);
    std::fill(near, near + 2 * C, 0.0f);
    for (long row = first; row < first + count; row++) machine.kernels->accumulate(source + row * C, near, C);
    for (long c = 0; c < C; c++) near[c] /= static_cast<float>(count);
    for (long row = first; row < first + count; row++)
      machine.kernels->accumulate_squares(source + row * C, near, around, C);
    for (long c = 0; c < C; c++)
      join(static_cast<double>(first), static_cast<double>(count), means[c], squares[c], near[c], around[c]);
  }
}

// The mean of a channel, and its sum of squares around that.
struct Moments {
  double mean = 0, squares = 0;
};

// From what its parts have.
Moments of_parts(const Extent& map, const Parts& parts, const float* all, long c) {
  const double plane = static_cast<double>(map.height) * map.width;
  Moments moments;
  double rows = 0;
  for (long p = 0; p < parts.count; p++) {
    const float* part = all + p * part_rows * map.channels;
    const double more = std::min(static_cast<double>(parts.rows), plane - rows);
    join(rows, more, moments.mean, moments.squares, part[c], part[map.channels + c]);
    rows += more;
  }
  return moments;
}

// From its values, one after the other and in double precision: squares of values from 1e18 on are too large for parts.
Moments of_values(const Extent& map, const float* image, long c) {
  const long plane = static_cast<long>(map.height) * map.width;
  Moments moments;
  for (long i = 0; i < plane; i++) moments.mean += image[i * map.channels + c];
  moments.mean /= static_cast<double>(plane);
  for (long i = 0; i < plane; i++) {
    const double apart = image[i * map.channels + c] - moments.mean;
    moments.squares += apart * apart;
  }
  return moments;
}

// What the values of a group of channels are scaled by; false where the moments overflow. Norms are kept in `unit`.
template <class OfChannel>
bool scale(const MapNormalisation& how, double plane, long from, long to, double unit, OfChannel of_channel,
           float* away, float* factors) {
  double have = 0, mean = 0, squares = 0, norms = 0;
  for (long c = from; c < to; c++) {
    const Moments channel = of_channel(c);
    join(have, plane, mean, squares, channel.mean, channel.squares);
    have += plane;
    const double norm = std::sqrt(channel.squares + plane * channel.mean * channel.mean) * unit;
    factors[c] = static_cast<float>(norm);
    norms += norm;
  }
  if (!std::isfinite(squares) || !std::isfinite(mean)) return false;
  if (how.by == Statistics::moments) {
    std::fill(away + from, away + to, static_cast<float>(mean));
    std::fill(factors + from, factors + to, static_cast<float>(1 / std::sqrt(squares / have + how.epsilon)));
    return true;
  }
  const double mean_norm = norms / static_cast<double>(to - from) + how.epsilon * unit;
  std::fill(away + from, away + to, 0.0f);
  for (long c = from; c < to; c++) factors[c] = static_cast<float>(factors[c] / mean_norm);
  return true;
}

}  // namespace

MapNormalisation map_normalisation(const int32_t* operands) {
  float epsilon;
  std::memcpy(&epsilon, operands + 4, sizeof(epsilon));
  return {static_cast<Statistics>(operands[2]), operands[3], epsilon};
}

long normalise_map_scratch(Extent map) {
  return static_cast<long>(map.batch) * map.channels * (Parts(map).count * part_rows + image_rows);
}

void normalise_map(const Machine& machine, const MapNormalisation& how, Extent map, const float* source, float* scratch,
                   float* destination) {
  const Parts parts(map);
  const long C = map.channels, plane = static_cast<long>(map.height) * map.width;
  const long size = C / how.groups;
  float* scales = scratch + map.batch * parts.count * part_rows * C;
  machine.pool->for_each(machine.threads, map.batch * parts.count, machine.stop, [&](long item, int) {
    const long first = item % parts.count * parts.rows;
    take(machine, source + (item / parts.count * plane + first) * C, std::min(parts.rows, plane - first), C,
         scratch + item * part_rows * C);
  });
  machine.pool->for_each(machine.threads, map.batch * static_cast<long>(how.groups), machine.stop, [&](long item, int) {
    const long n = item / how.groups, from = item % how.groups * size;
    float *away = scales + n * image_rows * C, *factors = away + C;
    const float *all = scratch + n * parts.count * part_rows * C, *image = source + n * plane * C;
    const auto apart = [&](long c) { return of_parts(map, parts, all, c); };
    const auto whole = [&](long c) { return of_values(map, image, c); };
    const double pixels = static_cast<double>(plane);
    if (!scale(how, pixels, from, from + size, 1, apart, away, factors))
      scale(how, pixels, from, from + size, 0x1p-64, whole, away, factors);
  });
  const long rows = map.pixels(), chunks = (rows + chunk_rows - 1) / chunk_rows;
  machine.pool->for_each(machine.threads, chunks, machine.stop, [&](long chunk, int) {
    const long end = std::min(rows, (chunk + 1) * chunk_rows);
    for (long row = chunk * chunk_rows; row < end; row++) {
      const float* away = scales + row / plane * image_rows * C;
      machine.kernels->scale(source + row * C, away, away + C, destination + row * C, C);
    }
  });
}

}  // namespace fovea
