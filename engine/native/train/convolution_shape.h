// The shape of a convolution, and which driver computes it.
#pragma once
#include <vector>

#include "train/op.h"

namespace fovea::train {

constexpr long kMostTaps = 1024;
// The largest stride, dilation and padding, those of inference.
constexpr long kMostStep = 1L << 12;

// dims: N, H, W, C, OH, OW, K, KH, KW, SH, SW, PT, PL, groups, accumulate[, DH, DW]; dilations are 1 when left out
struct Shape {
  long N, H, W, C, OH, OW, K, KH, KW, SH, SW, PT, PL, groups, accumulate, DH, DW;
  long taps() const { return KH * KW; }
  long in() const { return C / groups; }
  long out() const { return K / groups; }
  // Few channels (such as the three of a photograph): a whole kernel row is one run of a padded copy.
  bool row_runs() const { return groups == 1 && KW > 1 && C < 8 && DH == 1 && DW == 1; }
  // One filter a channel.
  bool depthwise() const { return groups == C && K == C; }
  long padded_height() const { return (OH - 1) * SH + KH; }
  long padded_width() const { return (OW - 1) * SW + KW; }
};

inline Shape shape_of(const std::vector<long>& d) {
  return {d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7], d[8], d[9], d[10], d[11], d[12], d[13], d[14],
          d.size() > 16 ? d[15] : 1, d.size() > 16 ? d[16] : 1};
}

// op_depthwise.cc: y from x and w, and dx from dy and w.
void depthwise_forward(const Shape& shape, Op& op, Team& team);
void depthwise_gradient(const Shape& shape, Op& op, Team& team);

}  // namespace fovea::train
