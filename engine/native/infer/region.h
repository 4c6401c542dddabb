// Masks, and the lists of pixels derived from them.
#pragma once
#include <cstdint>
#include <vector>

#include "infer/geometry.h"
#include "infer/tiling.h"

namespace fovea {

// Which cells of a block's output map are active.
struct Mask {
  int batch, rows, columns;
  int height, width;  // of the map that the grid covers
  std::vector<uint8_t> cells;
  std::vector<float> margins;
  // Working memory: the cells of one image in order of energy, for maskers that decide by it.
  std::vector<int32_t> order;
  // The cells of one image in the order in which the mask's own region lists them; empty: pixels are in raster order.
  std::vector<int32_t> listed = {};

  long cell_count() const { return static_cast<long>(batch) * rows * columns; }
  // Pixel y belongs to cell floor(y * rows / height): the first of a cell is ceil(cell * height / rows).
  int first_row(int cell) const { return (static_cast<int64_t>(cell) * height + rows - 1) / rows; }
  int first_column(int cell) const { return (static_cast<int64_t>(cell) * width + columns - 1) / columns; }
};

// The pixels of a map that are computed, in raster order, or cell by cell: image by image and, in each cell, in raster
// order.
struct Region {
  int batch, height, width;
  // True when the region is the whole map; `pixels` is then empty.
  bool all = false;
  std::vector<int32_t> pixels;
  // The pixels outside the region, where a pass needs them.
  std::vector<int32_t> others;
  bool wants_others = false;
  std::vector<uint8_t> inside;
  // The pixels grouped in squares, where a pass needs them.
  Tiling tiling;
  bool wants_tiling = false;
  // True when the pixels are listed cell by cell, even where all are active; `cell_ends` are then the places in the list
  // at which those of each active cell end.
  bool by_cells = false;
  std::vector<int32_t> cell_ends;

  long map_pixels() const { return static_cast<long>(batch) * height * width; }
  long count() const { return all ? map_pixels() : static_cast<long>(pixels.size()); }
  void reserve();
};

// The pixels of the mask's active cells.
void fill_from_mask(const Mask& mask, Region& region);

// The input pixels that `geometry` reads to compute `output`.
void fill_receptive(const Region& output, const Geometry& geometry, Region& input);

// Where `gather` stores each active cell with its halo, and where the taps of each active pixel then are.
struct Halo {
  int kernel_height, kernel_width, stride_y, stride_x, pad_top, pad_left;
  struct Cell {
    int image, top, left;  // first input row and column, possibly outside the map
    int height, width;     // with halo
    long offset;           // first row of the packed buffer
  };
  std::vector<Cell> cells;
  // For each pixel of the region, in its order: the packed row of its first tap, and the packed rows per map row.
  std::vector<int32_t> first_tap;
  std::vector<int32_t> pitch;
  long rows = 0;

  // Most packed rows that a mask of this grid can need.
  static long capacity(const Mask& mask, const Geometry& geometry);
};

void fill_halo(const Mask& mask, const Region& region, Halo& halo);

}  // namespace fovea
