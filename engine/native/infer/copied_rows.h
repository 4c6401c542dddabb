// Rows of channels that would displace each other from the first-level cache are copied to where they do not.
//
// Addresses that are a multiple of `limits::set_span` bytes apart share a set of that cache. A register tile reads its rows
// side by side, a vector's worth of channels at a time: where a map has 1,024 channels, or 512 and a stride of 2, all rows
// of a tile are in one set, and a tile of more rows than a set holds reads every line again for every channel.
#pragma once
#include "infer/convolve.h"

namespace fovea {

// True where a block of `rows` output pixels does so, and enough panels read the copies to make up for them.
bool copies_rows(const PackedConvolution& convolution, long rows, long panels, int tile_rows);

// Values of the copies of a block's rows, 0 for a convolution that never copies any.
long copied_values(const PackedConvolution& convolution, int tile_rows);

// Copies `count` rows that the scratch's taps point at, and points these at the copies.
void copy_rows(const PackedConvolution& convolution, int count, Scratch& scratch);

}  // namespace fovea
