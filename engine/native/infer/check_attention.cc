// Checks an attention: that its layers fit the map and each other, and that regions are those of its layout.
#include <algorithm>
#include <cmath>
#include <string>

#include "common/error.h"
#include "infer/program.h"

namespace fovea {

void Program::check_attention(const Session& session, int index) {
  const int32_t* o = instructions_.data() + static_cast<long>(index) * instruction_words + 1;
  const auto need = [&](bool condition, const char* message) {
    require(condition, "instruction ", index, ": ", message);
  };
  const auto known = [&](int32_t region) { return region >= -1 && region < static_cast<int64_t>(regions_.size()); };
  need(o[0] >= 0 && o[0] < static_cast<int64_t>(maps_.size()), "no such map");
  need(known(o[1]) && known(o[5]), "no such region");
  need(o[2] == 0 || o[2] == 1, "no such layout");
  const Extent& map = maps_[o[0]].extent;
  const Extent whole = attended_map(o);
  const auto same_plane = [](const Extent& a, const auto& b) {
    return a.batch == b.batch && a.height == b.height && a.width == b.width;
  };
  if (o[1] >= 0)
    need(o[2] == 1 ? map.pixels() >= whole.pixels() : same_plane(map, whole), "maps do not fit");
  else
    need(o[2] == 0, "packed rows need a region");
  if (o[5] >= 0) need(o[5] == o[1] || (o[2] == 0 && same_plane(map, regions_[o[5]])), "pooled region does not fit");
  need(o[2] == 0 || o[5] == o[1], "packed rows are pooled over their own region");
  need(o[6] >= 1 && o[6] <= 4, "no such pools");
  need(o[4] >= 0, "attention needs a gate");

  const Attention attention = attention_at(session, o);
  const int channels = map.channels;
  const auto fits_vectors = [](const PackedConvolution& layer, int in, int out) {
    return layer.geometry.pointwise() && layer.form == PackedConvolution::Form::taps &&
           layer.geometry.in_channels == in && layer.geometry.out_channels == out;
  };
  // Keeps the size of what it reads.
  const auto slides = [](const Geometry& g, int in) {
    const auto even = [](int kernel, int before, int after, int dilation) {
      return before == after && 2 * before == (kernel - 1) * dilation;
    };
    return g.in_channels == in && g.out_channels == 1 && g.groups == 1 && g.stride_y == 1 && g.stride_x == 1 &&
           even(g.kernel_height, g.pad_top, g.pad_bottom, g.dilation_y) &&
           even(g.kernel_width, g.pad_left, g.pad_right, g.dilation_x);
  };
  const int hidden = attention.hidden_channels(channels);
  if (attention.reduce) need(fits_vectors(*attention.reduce, channels, hidden), "the reduction does not fit");
  if (attention.slides())
    need(slides(attention.gate->geometry, 1) && attention.gate->geometry.kernel_height == 1 && hidden == channels,
         "the gate does not slide over the channels");
  else if (!attention.response)
    need(fits_vectors(*attention.gate, hidden, channels), "the gate does not fit");
  if (attention.response) {
    const PackedConvolution& gate = *attention.gate;
    const Geometry& g = gate.geometry;
    need(g.pointwise() && g.in_channels == channels && g.out_channels == channels && g.groups == channels &&
             gate.activation == Activation::none,
         "the gate of a response does not fit");
    need(!attention.reduce && !attention.spatial, "a response has a gate alone");
    need(attention.epsilon > 0 && std::isfinite(attention.epsilon), "epsilon must be finite and above 0");
  }
  if (attention.spatial) {
    need(slides(attention.spatial->geometry, 2), "the spatial convolution does not fit");
    need(o[2] == 0, "a spatial convolution reads a map");
  }
  for (const AttentionLayer& layer : layers_of(attention, whole)) {
    need(layer.convolution->activation != Activation::prelu, "attention has no slopes");
    need(!layer.convolution->normalised, "attention is not normalised");
    const Extent padded = layer.convolution->geometry.padded(layer.input);
    need(static_cast<double>(padded.pixels()) * padded.channels <= most_values, "the padded copy is too large");
    most_taps_ = std::max(most_taps_, layer.convolution->taps);
  }
  want_scratch(attention_scratch(attention, whole));
}

}  // namespace fovea
