// Attention: channels, and pixels, scaled by what the map itself holds.
#pragma once
#include "infer/convolve.h"

namespace fovea {

// How each channel is summed up over pixels.
enum class Pooling { mean, maximum, norm };

struct Attention {
  bool mean, maximum;              // how channels are pooled; what both give is added up before the gate
  bool response;                     // alone: each channel's norm, by the mean of all norms plus epsilon
  float epsilon;
  const PackedConvolution* reduce;   // of each pooled vector; null where that goes to the gate as it is
  const PackedConvolution* gate;     // 1x1, of a response depthwise, or sliding over the channels
  const PackedConvolution* spatial;  // of each pixel's mean and maximum over channels; null where pixels are not scaled

  bool slides() const { return gate->geometry.kernel_width > 1; }
  int hidden_channels(int channels) const { return reduce ? reduce->geometry.out_channels : channels; }
};

// A convolution that an attention of such a map consists of, what it reads, and where it is computed.
struct AttentionLayer {
  const PackedConvolution* convolution;
  Extent input;
  Extent output;
  bool follows_region;  // at the scaled pixels alone
};

// All of them, the reduction once for each pool.
std::vector<AttentionLayer> layers_of(const Attention& attention, Extent map);

// Values of working memory.
long attention_scratch(const Attention& attention, Extent map);

// Scales `values` in place. `pooled`: the pixels that are pooled, and of which mean and maximum over channels are taken;
// `scaled`: those that are scaled; null is all of them. With a spatial convolution `pooled` has what that reads for the
// scaled pixels, and the layout is that of a map.
void attend(const Machine& machine, const Attention& attention, Extent map, Layout layout, const Region* pooled,
            const Region* scaled, float* values, float* scratch);

}  // namespace fovea
