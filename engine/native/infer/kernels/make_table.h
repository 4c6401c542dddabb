// Fills a kernel table with every micro-kernel instantiated for one vector type.
#pragma once
#include "infer/kernels/depthwise.h"
#include "infer/kernels/rows.h"
#include "infer/kernels/tile.h"
#include "infer/kernels/winograd.h"

namespace fovea {

template <class I, int vectors, int rows>
constexpr void fill_rows(KernelTable& table) {
  table.tile[vectors - 1][rows - 1] = tile_kernel<I, rows, vectors>;
  if constexpr (rows > 1) fill_rows<I, vectors, rows - 1>(table);
}

template <class I, int vectors>
constexpr void fill_tiles(KernelTable& table) {
  fill_rows<I, vectors, I::tile_rows>(table);
  if constexpr (vectors > 1) fill_tiles<I, vectors - 1>(table);
}

template <class I>
constexpr KernelTable make_table(const char* name) {
  KernelTable table{};
  table.name = name;
  table.lanes = I::lanes;
  table.tile_rows = I::tile_rows;
  table.tile_vectors = I::tile_vectors;
  fill_tiles<I, I::tile_vectors>(table);
  table.depthwise_pixels = depthwise_pixels_kernel<I>;
  table.depthwise_run = depthwise_run_kernel<I>;
  table.winograd_input = winograd_input_kernel<I>;
  table.winograd_output = winograd_output_kernel<I>;
  table.add = add_kernel<I>;
  table.multiply = multiply_kernel<I>;
  table.accumulate = accumulate_kernel<I>;
  table.maximum = maximum_kernel<I>;
  table.dot = dot_kernel<I>;
  return table;
}

}  // namespace fovea
