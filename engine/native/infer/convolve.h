// The loops around the micro-kernel: a convolution at some of its output pixels.
#pragma once
#include <algorithm>
#include <atomic>
#include <vector>

#include "common/thread_pool.h"
#include "infer/amounts.h"
#include "infer/pack.h"
#include "infer/region.h"

namespace fovea {

// Where the rows of a pass are stored.
enum class Layout : int32_t {
  map,     // at the pixel's position in a map
  packed,  // consecutively, in the order of the pass's pixels
  halo,    // in cells with their halo, as `gather` writes them (input only)
};

struct ConvolutionPass {
  const PackedConvolution* convolution;
  Extent input;
  const float* source;
  Layout source_layout;
  const Halo* halo;  // for Layout::halo
  Extent output;
  float* destination;
  Layout destination_layout;
  // Added before the activation; in the layout of the destination map. Null adds nothing.
  const float* residual;
  // Of the sums; where the convolution is normalised, of what is normalised instead.
  Activation activation;
  // Output pixels, in raster order or cell by cell; null is all of them.
  const int32_t* pixels;
  long count;
  // Where those of each cell end; null in raster order.
  const std::vector<int32_t>* cell_ends;
  // The pixels in squares, for Winograd's algorithm.
  const Tiling* tiling;

  // How many squares they are computed in; 0 computes each pixel directly.
  long squares;

  // What the kernels of the convolution itself apply.
  Activation kernel_activation() const { return convolution->normalised ? Activation::none : activation; }

  // Bytes of weights read to compute any of its pixels.
  size_t weight_bytes() const {
    return sizeof(float) * (squares > 0 ? convolution->winograd_values : convolution->weight_values);
  }
  // Index of pixel i in the map. A pass that is only described has no list of pixels; they are assumed to be spread
  // evenly.
  long place(long i) const { return pixels ? pixels[i] : spread(i, output.pixels(), count); }
  // How many of the pixels, in raster order, lie before a place in the map.
  long before(long place) const {
    if (pixels) return std::lower_bound(pixels, pixels + count, place) - pixels;
    return std::min(count, spread(place, count, output.pixels()));
  }

 private:
  static long spread(long i, long to, long from) { return to == from ? i : i * to / from; }
};

// Working memory of one thread, sized once for all passes of a program.
struct Scratch {
  std::vector<const float*> taps;
  std::vector<long> distances;  // between the taps of a pixel
  std::vector<float*> outputs;
  std::vector<const float*> residuals;
  AlignedFloats sums;
  AlignedFloats winograd;
  AlignedFloats rows;  // that are copied: see copied_rows.h
  AlignedFloats attended;  // queries of an attention over pixels, and what they are weighed by
  AlignedFloats borders;  // of the parts of a stream, of the first thread alone: see stream.cc
  // What this thread has executed since the counts were last taken.
  Tally tally;

  void reserve(int taps_of_a_pixel, long winograd_values, long row_values, long attended_values,
               const KernelTable& kernels);
};

struct Machine {
  const KernelTable* kernels;
  ThreadPool* pool;
  int threads;
  const std::atomic<bool>* stop;
  Scratch* scratch;       // one a thread
  const float* zeros;     // at least as long as any row that is read
  long band_pixels;       // pixels of a stream's last pass in each band; 0: as many as fit the caches
};

// Tiles of the same height, one after the other.
struct TileRun {
  int first_row, rows, tiles;
};

// Cuts a number of rows into tiles that differ by at most one row, so that none is nearly empty.
struct TileRuns {
  TileRun runs[2];
  int count;

  const TileRun* begin() const { return runs; }
  const TileRun* end() const { return runs + count; }
  long rows() const {
    return static_cast<long>(runs[0].rows) * runs[0].tiles +
           (count > 1 ? static_cast<long>(runs[1].rows) * runs[1].tiles : 0);
  }
  int tiles() const { return runs[0].tiles + (count > 1 ? runs[1].tiles : 0); }
};

TileRuns share_rows(int rows, int most_rows);

// A range of work that one thread takes.
struct Range {
  long first, last;
};

// Part `i` of `parts` equal ones of `count`.
inline Range part_of(long count, long i, long parts) { return {count * i / parts, count * (i + 1) / parts}; }

// How a pass is cut into items for threads: blocks of rows, and ranges of the panels of each block.
struct Items {
  long blocks, parts;
};

// A depthwise convolution has none, which is one part.
inline long panels_of(const PackedConvolution& convolution) {
  return std::max<long>(1, static_cast<long>(convolution.panels.size()));
}

Items share_items(int threads, long rows, long together, long panels);

// Calls body(rows, panels, thread) for blocks of at most `together` of `count` rows. When there are fewer blocks than
// threads, each block's panels are shared as well.
template <class Body>
void share_panels(const Machine& machine, const PackedConvolution& convolution, long count, long together, Body body) {
  const long panels = panels_of(convolution);
  const Items items = share_items(machine.threads, count, together, panels);
  machine.pool->for_each(machine.threads, items.blocks * items.parts, machine.stop, [&](long item, int thread) {
    machine.scratch[thread].tally.items++;
    const long block = item / items.parts, part = item % items.parts;
    body(part_of(count, block, items.blocks), part_of(panels, part, items.parts), thread);
  });
}

// How many pixels of a depthwise convolution are computed together: their rows stay in the first-level cache.
long depthwise_together(const PackedConvolution& convolution);

// Makes each of `tiles` tiles prefetch an equal part of what follows their weights.
void fetch_ahead(TileArguments& tile, long width, int tiles);

void convolve(const Machine& machine, const ConvolutionPass& pass);

// Pixels [first, last) of the pass, shared among the machine's threads.
void convolve_range(const Machine& machine, const ConvolutionPass& pass, long first, long last);

// The same on the calling thread alone, for pixels [first, last) of the pass and panels [first, last).
void convolve_block(const Machine& machine, const ConvolutionPass& pass, Scratch& scratch, long first_pixel,
                    long last_pixel, int first_panel, int last_panel);

}  // namespace fovea
