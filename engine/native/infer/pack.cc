#include "infer/pack.h"

#include <algorithm>

namespace fovea {

namespace {

using limits::reduction_steps;

// Groups narrower than a vector are merged and computed together, with zero weights between different groups.
int merged_groups(const Geometry& g, int lanes) {
  int merge = 1;
  while ((g.out_channels / g.groups) * merge < lanes && g.groups % (merge * 2) == 0) merge *= 2;
  return merge;
}

void make_blocks(PackedConvolution& packed) {
  long first = 0;
  if (packed.channels >= reduction_steps) {
    // Equal parts of each tap's channels.
    const int parts = (packed.channels + reduction_steps - 1) / reduction_steps;
    for (int tap = 0; tap < packed.taps; tap++) {
      for (int part = 0; part < parts; part++) {
        const int from = static_cast<int>(static_cast<long>(packed.channels) * part / parts);
        const int to = static_cast<int>(static_cast<long>(packed.channels) * (part + 1) / parts);
        packed.blocks.push_back({tap, 1, from, to - from, first});
        first += to - from;
      }
    }
    return;
  }
  const long parts = std::max(1L, (packed.steps() + reduction_steps / 2) / reduction_steps);
  for (long part = 0; part < parts; part++) {
    const int from = static_cast<int>(packed.taps * part / parts);
    const int to = static_cast<int>(packed.taps * (part + 1) / parts);
    if (to == from) continue;
    packed.blocks.push_back({from, to - from, 0, packed.channels, first});
    first += static_cast<long>(to - from) * packed.channels;
  }
}

}  // namespace

bool winograd_suits(const Geometry& g) {
  return g.kernel_height == 3 && g.kernel_width == 3 && g.stride_y == 1 && g.stride_x == 1 && g.dilation_y == 1 &&
         g.dilation_x == 1 && g.groups == 1 && g.in_channels >= limits::winograd_channels &&
         g.out_channels >= limits::winograd_channels;
}

PackedConvolution outline(const Geometry& g, Finish finish, const TileShape& shape) {
  PackedConvolution packed{};
  packed.geometry = g;
  packed.activation = finish.activation;
  packed.normalised = finish.normalised;
  packed.centred = finish.centred;
  packed.maximum = finish.maximum;
  const int group_in = g.in_channels / g.groups;
  const int group_out = g.out_channels / g.groups;

  if (group_in == 1 && group_out == 1 && (g.groups > 1 || finish.maximum)) {
    packed.form = PackedConvolution::Form::depthwise;
    packed.taps = g.taps();
    packed.channels = g.in_channels;
    packed.weight_values = static_cast<size_t>(g.taps()) * g.out_channels;
    packed.bias_values = g.out_channels;
    return packed;
  }

  const bool rows =
      g.groups == 1 && g.in_channels <= limits::few_channels && g.kernel_width > 1 && g.dilation_x == 1;
  packed.form = rows ? PackedConvolution::Form::rows : PackedConvolution::Form::taps;
  const int merge = rows ? 1 : merged_groups(g, shape.lanes);
  packed.taps = rows ? g.kernel_height : g.taps();
  packed.channels = rows ? g.kernel_width * g.in_channels : group_in * merge;
  make_blocks(packed);

  const int tile_columns = shape.lanes * shape.tile_vectors;
  const int span = group_out * merge;  // output channels that share their input channels
  for (int group = 0; group < g.groups / merge; group++) {
    for (int column = 0; column < span; column += tile_columns) {
      Panel panel{};
      panel.column = group * span + column;
      panel.columns = std::min(tile_columns, span - column);
      panel.vectors = (panel.columns + shape.lanes - 1) / shape.lanes;
      panel.input_offset = static_cast<long>(group) * group_in * merge;
      panel.weight = packed.weight_values;
      panel.bias = packed.bias_values;
      packed.weight_values += packed.steps() * panel.vectors * shape.lanes;
      packed.bias_values += panel.vectors * shape.lanes;
      packed.panels.push_back(panel);
    }
  }
  // Pixels that are normalised are those that one call computes; squares may lie around them.
  if (winograd_suits(g) && !finish.normalised) {
    const Panel& last = packed.panels.back();
    packed.winograd_values =
        static_cast<size_t>(limits::products) * packed.channels * (last.column + last.vectors * shape.lanes);
  }
  return packed;
}

PackedConvolution pack(const Geometry& g, Finish finish, const float* weight, const FinishValues& values,
                       const KernelTable& kernels) {
  const auto [bias, slopes, normalisation] = values;
  PackedConvolution packed = outline(g, finish, kernels);
  if (normalisation) {
    const long K = g.out_channels;
    packed.epsilon = normalisation[0];
    packed.normalisation = AlignedFloats(static_cast<size_t>((slopes ? 3 : 2) * K));
    std::copy(normalisation + 1, normalisation + 1 + 2 * K, packed.normalisation.data());
    if (slopes) std::copy(slopes, slopes + K, packed.normalisation.data() + 2 * K);
  }
  packed.weight = AlignedFloats(packed.weight_values);
  packed.bias = AlignedFloats(packed.bias_values);
  if (slopes) packed.slopes = AlignedFloats(packed.bias_values);
  const int taps = g.taps();
  if (packed.form == PackedConvolution::Form::depthwise) {
    for (int tap = 0; tap < taps; tap++)
      for (int c = 0; c < g.out_channels; c++)
        packed.weight.data()[static_cast<long>(tap) * g.out_channels + c] =
            weight[static_cast<long>(c) * taps + tap];
    std::copy(bias, bias + g.out_channels, packed.bias.data());
    if (slopes) std::copy(slopes, slopes + g.out_channels, packed.slopes.data());
    return packed;
  }

  const int group_in = g.in_channels / g.groups;
  const int group_out = g.out_channels / g.groups;
  const bool rows = packed.form == PackedConvolution::Form::rows;
  const int merge = rows ? 1 : packed.channels / group_in;
  for (const Panel& panel : packed.panels) {
    const long width = static_cast<long>(panel.vectors) * kernels.lanes;
    for (int j = 0; j < panel.columns; j++) {
      const int out = panel.column + j;
      packed.bias.data()[panel.bias + j] = bias[out];
      if (slopes) packed.slopes.data()[panel.bias + j] = slopes[out];
      const float* source = weight + static_cast<long>(out) * group_in * taps;
      // First channel of this output's group within the merged groups.
      const int skip = (out / group_out) % merge * group_in;
      for (int c = 0; c < group_in; c++) {
        for (int ky = 0; ky < g.kernel_height; ky++) {
          for (int kx = 0; kx < g.kernel_width; kx++) {
            const long step = rows ? static_cast<long>(ky * g.kernel_width + kx) * g.in_channels + c
                                   : static_cast<long>(ky * g.kernel_width + kx) * packed.channels + skip + c;
            packed.weight.data()[panel.weight + step * width + j] =
                source[(static_cast<long>(c) * g.kernel_height + ky) * g.kernel_width + kx];
          }
        }
      }
    }
  }
  return packed;
}

}  // namespace fovea
