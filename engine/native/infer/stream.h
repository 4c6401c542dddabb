// Passes that run band by band: what one pass writes is read by the next while it is still in cache.
#pragma once
#include "infer/grid_pool.h"

namespace fovea {

using limits::most_streamed;

// Runs at most `most_streamed` convolutions, each of which is the only reader of what the one before it writes, and
// the pool of what the last one writes unless it is null. Every list of pixels must be in raster order. Afterwards the
// maps between the passes are incomplete, and the passes no longer point to them.
void stream(const Machine& machine, ConvolutionPass* passes, int count, FollowingPool* pool);

// A pool and a convolution that read the same map.
void stream_pooled(const Machine& machine, const GridPool& pool, const ConvolutionPass& pass);

// How many of a map's pixels, in raster order, are final once the first `done` of a list are computed; a null list
// means all pixels.
long final_pixels(const int32_t* pixels, long count, long done, long map_pixels);

// How many bands `pixels` make if the session sets the pixels of a band; 0 if it does not.
inline long wanted_bands(long band_pixels, long pixels) {
  return band_pixels == 0 ? 0 : (pixels + band_pixels - 1) / band_pixels;
}

// Bands of an addition at `rows` pixels whose result is pooled.
long added_bands(int threads, long band_pixels, long rows, long channels);

}  // namespace fovea
