// 3x3 convolutions of stride 1 by Winograd's algorithm, at some of their output pixels.
#pragma once
#include "infer/convolve.h"

namespace fovea {

// True when the algorithm can compute the convolution and has enough channels to gain by it.
bool winograd_suits(const Geometry& geometry);

// Weights U = G g G', [panel][16][in channels][vectors x lanes], for the panels of a packed convolution.
AlignedFloats winograd_weights(const PackedConvolution& packed, const float* weight, const KernelTable& kernels);

// Values that one thread needs room for.
long winograd_scratch(const PackedConvolution& packed, const KernelTable& kernels);

// True when the pixels lie together closely enough for whole squares to cost less than single pixels.
bool winograd_pays(const Tiling& tiling);

// Pixels [first, last) of a pass that has a tiling, shared among the machine's threads.
void winograd_range(const Machine& machine, const ConvolutionPass& pass, long first, long last);

// The end of the two rows of output pixels in which pixel `end - 1` of the pass lies.
long winograd_align(const ConvolutionPass& pass, long end);

}  // namespace fovea
