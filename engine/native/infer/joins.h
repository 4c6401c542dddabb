// Passes between the blocks of U-Nets and feature pyramids: channels of maps side by side, maps made larger.
#pragma once
#include "common/sampling.h"
#include "infer/convolve.h"

namespace fovea {

// Rows of the smaller map that a row of the larger one is mixed of, unless it is that of the nearest pixel.
constexpr int mixed_rows = 4;

// `count` adjacent channels of every pixel, from channel `from` to channel `to`.
void copy_channels(const Machine& machine, Extent input, const float* source, int from, int count, Extent output,
                   float* destination, int to);

// A map times another of its size, or times each image's vector. The output may be the map.
void multiply(const Machine& machine, Extent map, const float* a, Extent scale, const float* b, float* output);

// The extents of the output are whole multiples of the input's.
void resize(const Machine& machine, Interpolation interpolation, Extent input, const float* source, Extent output,
            float* destination);

}  // namespace fovea
