// Passes that run band by band, so that what one leaves in cache is read before the next takes its place.
#pragma once
#include "infer/grid_pool.h"

namespace fovea {

using limits::most_streamed;

// At most `most_streamed` convolutions, each of which alone reads what the one before it writes, and the pool of what
// the last one writes, unless that is null. Needs every list of pixels in raster order. Afterwards nothing is left of
// what lies between the passes, and those no longer point to it.
void stream(const Machine& machine, ConvolutionPass* passes, int count, FollowingPool* pool);

// A pool and a convolution that read the same map.
void stream_pooled(const Machine& machine, const GridPool& pool, const ConvolutionPass& pass);

// How many of a map's pixels, in raster order, are final once the first `done` of a list are; a null list is
// that of all pixels.
long final_pixels(const int32_t* pixels, long count, long done, long map_pixels);

// How many bands `pixels` make where the session says how many go into one; 0 where it does not.
inline long wanted_bands(long band_pixels, long pixels) {
  return band_pixels == 0 ? 0 : (pixels + band_pixels - 1) / band_pixels;
}

// Bands of an addition at `rows` pixels, behind which the map is pooled.
long added_bands(int threads, long band_pixels, long rows, long channels);

}  // namespace fovea
