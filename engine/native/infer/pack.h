// Packs weights in the order in which the micro-kernels read them.
#pragma once
#include <vector>

#include "common/aligned.h"
#include "infer/geometry.h"
#include "infer/kernels/kernel-table.h"

namespace fovea {

// A run of output channels that one tile computes.
struct Panel {
  int column;   // first output channel
  int columns;  // how many
  int vectors;  // tile width, in vectors
  long input_offset;  // first input channel of the panel's group
  size_t weight;      // index of its first weight
  size_t bias;        // index of its first bias, padded to whole vectors
};

// A run of the reduction dimension short enough for its weights to stay in the first-level cache.
struct ReductionBlock {
  int tap, taps;
  int channel, channels;
  long first;  // reduction steps before this block
};

struct PackedConvolution {
  // How the loops go through the reduction dimension.
  enum class Form {
    taps,       // one pointer for each kernel tap, reading the group's channels
    rows,       // one pointer for each kernel row, reading width x channels at once (few input channels)
    depthwise,  // each channel on its own
  };

  Geometry geometry;
  Activation activation;
  Form form;
  int taps;      // pointers for one output pixel
  int channels;  // values read behind each pointer
  std::vector<Panel> panels;
  std::vector<ReductionBlock> blocks;
  size_t weight_values, bias_values;
  // Index of the weights transformed for Winograd's algorithm; 0 where it does not apply.
  size_t winograd_values;
  // Empty in an outline; the slopes, laid out as the bias, but for a PReLU too.
  AlignedFloats weight, bias, slopes, winograd;
  // Whether each pixel's channels are normalised before the activation, and their mean taken away for that.
  bool normalised, centred;
  // Of a depthwise one: the largest tap counts, and weights and bias are not read.
  bool maximum;
  float epsilon;
  // [2 x channels] scales and shifts, and behind them the slopes of a PReLU once more, one a channel.
  AlignedFloats normalisation;

  size_t values() const {
    return weight.size() + bias.size() + slopes.size() + winograd.size() + normalisation.size();
  }

  const float* slopes_of(const Panel& panel) const {
    return slopes.size() == 0 ? nullptr : slopes.data() + panel.bias;
  }

  // Values that are multiplied and added up for one output.
  long steps() const { return static_cast<long>(taps) * channels; }
  // Number of sets of groups that are computed together; each set reads its own channels.
  long spans() const { return form == Form::taps ? geometry.in_channels / channels : 1; }

  // Multiply-adds of one output pixel, without padding.
  double multiply_adds() const {
    return static_cast<double>(geometry.taps()) * (geometry.in_channels / geometry.groups) *
           geometry.out_channels;
  }
};

// True when Winograd's algorithm applies and there are enough channels for it to pay.
bool winograd_suits(const Geometry& geometry);

// What is applied to the sums of a convolution.
struct Finish {
  Activation activation = Activation::none;
  bool normalised = false;
  // Whether a normalisation takes the mean away.
  bool centred = true;
  // Whether the largest tap counts in the place of all.
  bool maximum = false;
};

// The values of that: biases, slopes of a PReLU or null, and epsilon, scales and shifts of a normalisation or null.
struct FinishValues {
  const float* bias;
  const float* slopes = nullptr;
  const float* normalisation = nullptr;
};

// A packed convolution without its weights: enough to count its work.
PackedConvolution outline(const Geometry& geometry, Finish finish, const TileShape& shape);

// weight: (out channels, in channels / groups, kernel height, kernel width)
PackedConvolution pack(const Geometry& geometry, Finish finish, const float* weight, const FinishValues& values,
                       const KernelTable& kernels);

}  // namespace fovea
