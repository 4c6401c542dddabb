// Passes that run band by band: what one pass writes is read by the next while it is still in cache.
#pragma once
#include "infer/bands.h"
#include "infer/grid_pool.h"

namespace fovea {

// Runs at most `most_streamed` convolutions, each of which is the only reader of what the one before it writes, and
// the pool of what the last one writes unless it is null. Lists of pixels must be in raster order, or all passes list the
// same pixels and those behind the first read packed rows. Afterwards the maps between the passes are incomplete.
void stream(const Machine& machine, const ConvolutionPass* passes, int count, FollowingPool* pool);

// A pool and a convolution that read the same map.
void stream_pooled(const Machine& machine, const GridPool& pool, const ConvolutionPass& pass);

// How many of a map's pixels, in raster order, are final once the first `done` of a list are computed; a null list
// means all pixels. `by_cells`: the list is not in raster order.
long final_pixels(const int32_t* pixels, bool by_cells, long count, long done, long map_pixels);

// Bands of an addition at `rows` pixels whose result is pooled.
long added_bands(int threads, long band_pixels, long rows, long channels);

}  // namespace fovea
