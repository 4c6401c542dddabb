// The adaptive average pool to a mask's grid: over a whole map, or row by row as a pass writes the map.
#pragma once
#include "infer/convolve.h"

namespace fovea {

struct GridPool {
  Extent input;
  const float* source;
  // Of the grid; cell i of G covers floor(i * n / G) ... ceil((i + 1) * n / G) - 1.
  int rows, columns;
  float* pooled;
  // Pools only the cells that contain a pixel of this mask's active cells, as no others changed; null pools all cells.
  const Mask* changed;

  long grid_rows() const { return static_cast<long>(input.batch) * rows; }
  // How many pixels of the map, in raster order, must be final before this many grid rows can be pooled.
  long pixels_read(long grid_rows) const;
};

// How many parts each row of the grid is split into, so that no thread is idle when few rows are pooled at a time.
long pool_parts(int threads, const GridPool& pool);

// Pools grid rows [first, last), counted through all images.
void pool_rows(const Machine& machine, const GridPool& pool, long first, long last);

// Pools each grid row as soon as the pixels under it are final and still in cache.
class FollowingPool {
 public:
  FollowingPool(const Machine& machine, const GridPool& pool) : machine_(machine), pool_(pool) {}

  // The first `pixels` pixels of the map are final.
  void advance(long pixels);

 private:
  const Machine& machine_;
  const GridPool& pool_;
  long done_ = 0;
};

}  // namespace fovea
