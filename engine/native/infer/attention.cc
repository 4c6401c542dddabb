#include "infer/attention.h"

#include <algorithm>
#include <numeric>

#include "infer/passes.h"

namespace fovea {

namespace {

bool reads_rows(const PackedConvolution& convolution) { return convolution.form == PackedConvolution::Form::rows; }

long padded_values(const AttentionLayer& layer) {
  return reads_rows(*layer.convolution) ? layer.convolution->geometry.padded(layer.input).values() : 0;
}

// `copy` has room for the padded input. The region is null for all pixels.
void compute(const Machine& machine, const AttentionLayer& layer, const float* source, const Region* region, float* copy,
             float* destination) {
  ConvolutionPass pass{};
  pass.convolution = layer.convolution;
  pass.input = layer.input;
  pass.source = source;
  pass.output = layer.output;
  pass.destination = destination;
  pass.activation = layer.convolution->activation;
  pass.count = layer.output.pixels();
  if (layer.follows_region && region && !region->all) {
    pass.pixels = region->pixels.data();
    pass.count = region->count();
  }
  if (pass.count == 0) return;
  if (reads_rows(*layer.convolution)) {
    const Geometry& g = layer.convolution->geometry;
    pass.input = g.padded(layer.input);
    pass.source = copy;
    copy_padded(machine, layer.input, source, g.pad_top, g.pad_left, pass.input, copy);
  }
  convolve(machine, pass);
}

void divide_by_mean(float* norms, long count, float epsilon) {
  const double mean = std::accumulate(norms, norms + count, 0.0) / static_cast<double>(count);
  for (long c = 0; c < count; c++) norms[c] = static_cast<float>(norms[c] / (mean + epsilon));
}

}  // namespace

std::vector<AttentionLayer> layers_of(const Attention& attention, Extent map) {
  std::vector<AttentionLayer> layers;
  const auto vector = [&](int channels) { return Extent{map.batch, 1, 1, channels}; };
  const Extent hidden = vector(attention.hidden_channels(map.channels));
  if (attention.reduce)
    layers.insert(layers.end(), attention.mean && attention.maximum ? 2 : 1,
                  {attention.reduce, vector(map.channels), hidden, false});
  const Extent side_by_side{map.batch, 1, map.channels, 1};
  if (attention.slides())
    layers.push_back({attention.gate, side_by_side, side_by_side, false});
  else
    layers.push_back({attention.gate, hidden, vector(map.channels), false});
  if (attention.spatial)
    layers.push_back({attention.spatial,
                      {map.batch, map.height, map.width, 2},
                      {map.batch, map.height, map.width, 1},
                      true});
  return layers;
}

long attention_scratch(const Attention& attention, Extent map) {
  const long vectors = 2L * map.batch * (map.channels + attention.hidden_channels(map.channels));
  long padded = 0;
  for (const AttentionLayer& layer : layers_of(attention, map)) padded = std::max(padded, padded_values(layer));
  return vectors + padded + (attention.spatial ? 3 * map.pixels() : 0);
}

void attend(const Machine& machine, const Attention& attention, Extent map, Layout layout, const Region* pooled,
            const Region* scaled, float* values, float* scratch) {
  const std::vector<AttentionLayer> layers = layers_of(attention, map);
  const long channels = static_cast<long>(map.batch) * map.channels;
  const long hidden_values = static_cast<long>(map.batch) * attention.hidden_channels(map.channels);
  float* scales = scratch;
  float* vector = scales + channels;
  float* sum = vector + channels;
  float* other = sum + hidden_values;
  float* summaries = other + hidden_values;
  float* weights = summaries + (attention.spatial ? 2 * map.pixels() : 0);
  float* copy = weights + (attention.spatial ? map.pixels() : 0);
  auto layer = layers.begin();
  float* reduced = sum;
  const auto pool = [&](Pooling how) {
    global_pool(machine, map, values, layout, pooled, how, attention.reduce ? vector : reduced);
    if (attention.reduce) compute(machine, *layer++, vector, nullptr, copy, reduced);
    reduced = other;
  };
  if (attention.mean) pool(Pooling::mean);
  if (attention.maximum) pool(Pooling::maximum);
  if (attention.response) {
    pool(Pooling::norm);
    for (int n = 0; n < map.batch; n++) divide_by_mean(sum + static_cast<long>(n) * map.channels, map.channels, attention.epsilon);
  }
  if (attention.mean && attention.maximum)
    machine.kernels->add(sum, other, sum, hidden_values, Activation::none);
  compute(machine, *layer++, sum, nullptr, copy, scales);
  if (!attention.spatial) {
    scale_rows(machine, map, layout, scaled, scales, nullptr, values);
    return;
  }
  summarise_rows(machine, map, pooled, scales, values, summaries);
  compute(machine, *layer, summaries, scaled, copy, weights);
  scale_rows(machine, map, layout, scaled, scales, weights, values);
}

}  // namespace fovea
