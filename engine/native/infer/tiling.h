// Output pixels of a pass in squares of 2 x 2: what Winograd's algorithm computes at a time.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "infer/geometry.h"

namespace fovea {

struct Region;

struct Square {
  int32_t image, y, x;  // of its upper left pixel; y and x are even
  // Indices of its pixels in the order of the pass, row by row; -1 for a pixel that is not computed.
  std::array<int32_t, 4> index;

  bool whole() const { return (index[0] | index[1] | index[2] | index[3]) >= 0; }
  int32_t first_index() const {
    for (const int32_t i : index)
      if (i >= 0) return i;
    return -1;
  }
};

struct Tiling {
  // In raster order, or in that of the cells of a region and in raster order in each: squares of the same two rows of
  // pixels are consecutive.
  std::vector<Square> squares;
  long pixels = 0;

  void reserve(const Extent& map);
  // Squares that contain the pixels [first, last) of the pass; both bounds lie between pairs of rows, or between cells.
  long square_of(long pixel_index) const;
};

// Every pixel of a map.
void fill_tiling(const Extent& map, Tiling& tiling);
// The pixels of a region.
void fill_tiling(const Region& region, Tiling& tiling);

}  // namespace fovea
