// The adaptive average pool to a mask's grid, whole or row by row behind whatever writes the map.
#pragma once
#include "infer/convolve.h"

namespace fovea {

struct GridPool {
  Extent input;
  const float* source;
  // Of the grid; cell i of G covers floor(i * n / G) ... ceil((i + 1) * n / G) - 1.
  int rows, columns;
  float* pooled;
  // Only cells that hold a pixel of this mask's active cells have changed; null pools every cell.
  const Mask* changed;

  long grid_rows() const { return static_cast<long>(input.batch) * rows; }
  // Pixels of the map, in raster order, that must be final before so many grid rows can be pooled.
  long pixels_read(long grid_rows) const;
};

// Parts that each row of the grid is pooled in: few rows at a time leave threads idle, then each is shared as well.
long pool_parts(int threads, const GridPool& pool);

// Pools grid rows [first, last), those of all images counted one after the other.
void pool_rows(const Machine& machine, const GridPool& pool, long first, long last);

// Pools each grid row as soon as the pixels under it are final, while they are in cache.
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
