// Passes that run band by band, so that what one leaves in cache is read before the next takes its place.
#pragma once
#include "infer/convolve.h"

namespace fovea {

// Each pass reads what the one before it writes. Needs every list of pixels in raster order.
void stream(const Machine& machine, const ConvolutionPass* passes, int count);

}  // namespace fovea
