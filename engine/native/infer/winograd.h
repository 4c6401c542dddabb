// 3x3 convolutions of stride 1 by Winograd's algorithm, at a subset of their output pixels.
#pragma once
#include "infer/convolve.h"

namespace fovea {

// Weights U = G g G', [panel][16][in channels][vectors x lanes], for the panels of a packed convolution.
AlignedFloats winograd_weights(const PackedConvolution& packed, const float* weight, const KernelTable& kernels);

// Working memory of one thread, in values.
long winograd_scratch(const PackedConvolution& packed, const KernelTable& kernels);

// Squares that a thread works on at a time.
long squares_together(const PackedConvolution& packed);

// Pieces that the reduction of each product is cut into.
int winograd_blocks(const PackedConvolution& packed);

// True when the pixels are dense enough for whole squares to cost less than single pixels.
bool winograd_pays(double squares, double pixels);

// Pixels [first, last) of a pass that has a tiling, shared among the machine's threads.
void winograd_range(const Machine& machine, const ConvolutionPass& pass, long first, long last);

// How many of its squares precede one of its pixels, given at the border of two rows: counted from the list where
// there is one, or in proportion for a pass that is only described.
long squares_before(const ConvolutionPass& pass, long pixel);

// The end of the pair of output rows, or of the cell, that contains pixel `end - 1` of the pass.
long winograd_align(const ConvolutionPass& pass, long end);

// The first pixel of the pair of output rows, or of the cell, that contains pixel `begin` of the pass.
long winograd_begin(const ConvolutionPass& pass, long begin);

}  // namespace fovea
