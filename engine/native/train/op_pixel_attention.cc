// Attention over pixels: see `PixelAttention` in engine/src/network/network.ts.
#include <algorithm>
#include <cmath>
#include <vector>

#include "common/weighting.h"
#include "train/op.h"

namespace fovea::train {
namespace {

// dims: N, height and width of the queries, their channels, height and width of the keys, their channels, channels of the
// values, weighting, heads, depth, width, first channel and step of queries, keys and values, height and width of patches,
// of windows or 0, the pixel where they begin, and whether there is a bias.
struct Shape {
  long N, query_height, query_width, query_channels, key_height, key_width, key_channels, value_channels, by, heads, depth, width;
  long first[3], step[3];
  long patch_height, patch_width, window_height, window_width, shift_y, shift_x, biased;

  explicit Shape(const std::vector<long>& d)
      : N(d[0]), query_height(d[1]), query_width(d[2]), query_channels(d[3]), key_height(d[4]), key_width(d[5]),
        key_channels(d[6]), value_channels(d[7]), by(d[8]), heads(d[9]), depth(d[10]), width(d[11]),
        first{d[12], d[14], d[16]}, step{d[13], d[15], d[17]}, patch_height(d[18]), patch_width(d[19]), window_height(d[20]),
        window_width(d[21]), shift_y(d[22]), shift_x(d[23]), biased(d[24]) {}

  Weighting weighting() const { return static_cast<Weighting>(by); }
  long queries() const { return product(N, query_height, query_width); }
  long keys() const { return product(N, key_height, key_width); }
  bool in_windows() const { return window_height > 0; }
  // How many times pixels of an image see each other alone.
  long places() const {
    return in_windows() ? key_height * key_width / (window_height * window_width) : patch_height * patch_width;
  }
  // That a query sees.
  long seen() const { return key_height * key_width / places(); }
  long bias_values() const { return biased ? product(heads, query_height * query_width / places(), seen()) : 0; }

  bool fits() const {
    const auto within = [&](int of, long channels, long all) {
      return first[of] >= 0 && step[of] >= 0 && first[of] <= all && step[of] <= all && channels <= all &&
             first[of] + (heads - 1) * step[of] + channels <= all;
    };
    constexpr long most = 1 << 16;
    const bool counts = by >= 0 && by < static_cast<long>(Weighting::count) && heads >= 1 && heads <= most && depth >= 1 &&
                        depth <= most && width >= 1 && width <= most && patch_height >= 1 && patch_width >= 1;
    if (!counts || queries() < 1 || keys() < 1 || (weighting() == Weighting::context && depth != 1)) return false;
    if (window_height < 0 || window_width < 0 || (window_height > 0) != (window_width > 0)) return false;
    if (in_windows() && (patch_height * patch_width != 1 || query_height != key_height || query_width != key_width)) return false;
    const long tile_height = in_windows() ? window_height : patch_height, tile_width = in_windows() ? window_width : patch_width;
    const bool tiled = query_height % tile_height == 0 && query_width % tile_width == 0 && key_height % tile_height == 0 &&
                       key_width % tile_width == 0;
    const bool begins = shift_y >= 0 && shift_x >= 0 && (in_windows() ? shift_y < window_height && shift_x < window_width
                                                                        : shift_y == 0 && shift_x == 0);
    if (!tiled || !begins || biased < 0 || biased > 1 || (biased && weighting() != Weighting::softmax)) return false;
    const long steps = product(queries(), seen(), heads, depth + width);
    return steps > 0 && bias_values() >= 0 && steps <= kMostSteps && within(0, depth, query_channels) && within(1, depth, key_channels) &&
           within(2, width, value_channels);
  }
};

// Where the channels of the pixels of one window begin, and at which edges of the map they lie.
std::vector<long> window_places(const Shape& s, long n, long place, long height, long width, long channels,
                                std::vector<int>& edges) {
  std::vector<long> found;
  const long across = width / s.window_width;
  const long top = place / across * s.window_height + s.shift_y, left = place % across * s.window_width + s.shift_x;
  edges.clear();
  for (long y = top; y < top + s.window_height; y++)
    for (long x = left; x < left + s.window_width; x++) {
      found.push_back(((n * height + y % height) * width + x % width) * channels);
      edges.push_back(2 * (y >= height) + (x >= width));
    }
  return found;
}

// Where the channels of the pixels that one place of an image's patches has begin.
std::vector<long> places(const Shape& s, long n, long place, long height, long width, long channels) {
  std::vector<long> found;
  for (long y = place / s.patch_width; y < height; y += s.patch_height)
    for (long x = place % s.patch_width; x < width; x += s.patch_width) found.push_back(((n * height + y) * width + x) * channels);
  return found;
}

float dot(const float* a, const float* b, long length) {
  float sum = 0;
  for (long i = 0; i < length; i++) sum += a[i] * b[i];
  return sum;
}

float positive_dot(const float* a, const float* b, long length) {
  float sum = 0;
  for (long i = 0; i < length; i++) sum += std::max(a[i], 0.0f) * std::max(b[i], 0.0f);
  return sum;
}

// One head of one place of an image.
struct Unit {
  const Shape& s;
  float scale, epsilon, apart;
  // Of the head, or null.
  const float* bias;
  std::vector<long> queries, keys, values, outputs;
  // At which edges of the map the pixels of a window lie.
  std::vector<int> edges;
  std::vector<float> weights;
  // What the weights were divided by, where they are linear.
  float total = 1;

  Unit(const Shape& shape, const float* numbers, const float* biases, long n, long place, long head)
      : s(shape), scale(numbers[0]), epsilon(numbers[1]), apart(numbers[2]),
        bias(shape.biased ? biases + shape.bias_values() / shape.heads * head : nullptr), weights(shape.seen()) {
    const auto from = [&](long height, long width, long channels, long first) {
      std::vector<long> found = s.in_windows() ? window_places(s, n, place, height, width, channels, edges)
                                               : places(s, n, place, height, width, channels);
      for (long& at : found) at += first;
      return found;
    };
    const auto first = [&](int of) { return s.first[of] + head * s.step[of]; };
    queries = from(s.query_height, s.query_width, s.query_channels, first(0));
    keys = from(s.key_height, s.key_width, s.key_channels, first(1));
    values = from(s.key_height, s.key_width, s.value_channels, first(2));
    outputs = from(s.query_height, s.query_width, s.heads * s.width, head * s.width);
  }

  // The weights of all keys for the `i`-th query; of a context for any.
  void weigh(size_t i, const float* query, const float* key) {
    const Weighting by = s.weighting();
    float most = -INFINITY;
    for (size_t j = 0; j < keys.size(); j++) {
      const float* k = key + keys[j];
      weights[j] = by == Weighting::linear ? positive_dot(query, k, s.depth)
                                           : scale * (by == Weighting::context ? *k : dot(query, k, s.depth));
      if (bias) weights[j] += bias[i * keys.size() + j];
      if (apart != 0 && edges[i] != edges[j]) weights[j] += apart;
      most = std::max(most, weights[j]);
    }
    double sum = by == Weighting::linear ? static_cast<double>(epsilon) : 0;
    for (float& weight : weights) {
      if (by != Weighting::linear) weight = std::exp(weight - most);
      sum += static_cast<double>(weight);
    }
    total = static_cast<float>(sum);
    for (float& weight : weights) weight /= total;
  }
};

template <class Body>
void each_unit(const Shape& s, Team& team, const float* numbers, const float* biases, Body body) {
  team.run(s.N, [&](long n) {
    for (long place = 0; place < s.places(); place++)
      for (long head = 0; head < s.heads; head++) {
        Unit unit(s, numbers, biases, n, place, head);
        body(unit);
      }
  });
}

// buffers: query, key, value, scale, epsilon and what tells edges apart (3), bias, y; a context's query is read by nothing
void forward(Op& op, Team& team) {
  const Shape s(op.dims);
  const float *query = op.floats(0), *key = op.floats(1), *value = op.floats(2);
  float* y = op.floats(5);
  each_unit(s, team, op.floats(3), op.floats(4), [&](Unit& unit) {
    const bool alike = s.weighting() == Weighting::context;
    for (size_t i = 0; i < unit.queries.size(); i++) {
      float* out = y + unit.outputs[i];
      if (alike && i > 0) {
        std::copy(y + unit.outputs[0], y + unit.outputs[0] + s.width, out);
        continue;
      }
      unit.weigh(i, query + unit.queries[i], key);
      std::fill(out, out + s.width, 0.0f);
      for (size_t j = 0; j < unit.keys.size(); j++) {
        const float weight = unit.weights[j], *v = value + unit.values[j];
        for (long c = 0; c < s.width; c++) out[c] += weight * v[c];
      }
    }
  });
}

// Of a query and its output's gradient: with p the weights and g = dy · v of each key, the product of query and key has
// p (g − Σ p g) by softmax, and (g − Σ p g) / total by linear weights.
void go_back(Unit& unit, size_t i, const float* query, const float* dy, const float* key, const float* value, float* dquery, float* dkey,
             float* dvalue, std::vector<float>& slopes) {
  const Shape& s = unit.s;
  const Weighting by = s.weighting();
  unit.weigh(i, query, key);
  double mean = 0;
  for (size_t j = 0; j < unit.keys.size(); j++) {
    slopes[j] = dot(dy, value + unit.values[j], s.width);
    mean += static_cast<double>(unit.weights[j]) * static_cast<double>(slopes[j]);
  }
  for (size_t j = 0; j < unit.keys.size(); j++) {
    const float weight = unit.weights[j], apart = slopes[j] - static_cast<float>(mean);
    const float slope = by == Weighting::linear ? apart / unit.total : weight * apart * unit.scale;
    const float* k = key + unit.keys[j];
    float *dk = dkey + unit.keys[j], *dv = dvalue + unit.values[j];
    for (long c = 0; c < s.width; c++) dv[c] += weight * dy[c];
    if (by == Weighting::context) {
      *dk += slope;
      continue;
    }
    for (long d = 0; d < s.depth; d++) {
      if (by == Weighting::softmax) {
        dquery[d] += slope * k[d];
        dk[d] += slope * query[d];
      } else {
        if (query[d] > 0) dquery[d] += slope * std::max(k[d], 0.0f);
        if (k[d] > 0) dk[d] += slope * std::max(query[d], 0.0f);
      }
    }
  }
}

// dims: as before, then for each of the gradients whether it is cleared first; buffers: dy, query, key, value, scale,
// epsilon and what tells edges apart (3), bias, dquery, dkey, dvalue: some of these may be one
void backward(Op& op, Team& team) {
  const Shape s(op.dims);
  const float *dy = op.floats(0), *query = op.floats(1), *key = op.floats(2), *value = op.floats(3);
  float *dquery = op.floats(6), *dkey = op.floats(7), *dvalue = op.floats(8);
  const long sizes[] = {s.queries() * s.query_channels, s.keys() * s.key_channels, s.keys() * s.value_channels};
  for (int i = 0; i < 3; i++)
    if (op.dims[25 + i]) std::fill(op.floats(6 + i), op.floats(6 + i) + sizes[i], 0.0f);
  each_unit(s, team, op.floats(4), op.floats(5), [&](Unit& unit) {
    std::vector<float> slopes(unit.keys.size());
    if (s.weighting() == Weighting::context) {
      std::vector<float> all(s.width);
      for (const long at : unit.outputs)
        for (long c = 0; c < s.width; c++) all[c] += dy[at + c];
      return go_back(unit, 0, nullptr, all.data(), key, value, nullptr, dkey, dvalue, slopes);
    }
    for (size_t i = 0; i < unit.queries.size(); i++)
      go_back(unit, i, query + unit.queries[i], dy + unit.outputs[i], key, value, dquery + unit.queries[i], dkey, dvalue, slopes);
  });
}

std::vector<long> sizes(const std::vector<long>& d, bool goes_back) {
  const Shape s(d);
  if (!s.fits()) return {-1};
  const bool asks = s.weighting() != Weighting::context;
  const long query = asks ? product(s.queries(), s.query_channels) : 0, key = product(s.keys(), s.key_channels);
  const long value = product(s.keys(), s.value_channels), output = product(s.queries(), s.heads, s.width);
  return goes_back ? std::vector<long>{output, query, key, value, 3, s.bias_values(), query, key, value}
                   : std::vector<long>{query, key, value, 3, s.bias_values(), output};
}

}  // namespace

const std::vector<OpKind> pixel_attention_ops = {
    {"pixel-attention", 25, [](const std::vector<long>& d) { return sizes(d, false); }, forward},
    {"pixel-attention-dx", 28, [](const std::vector<long>& d) { return sizes(d, true); }, backward},
};

}  // namespace fovea::train
