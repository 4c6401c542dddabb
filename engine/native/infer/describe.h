// Counts what the loops would do without doing it, for a known number of pixels or one expected from a random mask.
#pragma once
#include "infer/amounts.h"
#include "infer/convolve.h"
#include "infer/grid_pool.h"

namespace fovea {

// Sums of a register tile that keep the multipliers busy: each waits four cycles for the step before, and two are added to
// at a time. Fewer take as long.
constexpr double sums_that_hide = 8;

constexpr double float_bytes = 4;

// A convolution to be described: a pass without pointers.
struct DescribedPass {
  // Its `count` and `squares` are what is computed, or those of the whole map when only expectations are known.
  ConvolutionPass pass{};
  double pixels = 0;
  // Squares of 2 x 2 pixels with at least one that is computed.
  double squares = 0;
  // True when both are expectations. Counts derived from them are then monotone: a higher rate never costs less.
  bool expected = false;
  // Input pixels that are read.
  double input_pixels = 0;
  // Runs of adjacent pixels, where pixels are listed; otherwise 0.
  double runs = 0;
  // True when the pass before, or after, runs band by band with this one: the map between them is in a near cache.
  bool input_streamed = false, output_streamed = false;
  // True when a residual map is read; and that it is written, so that nothing is written that was not read just before.
  bool residual = false, in_place = false;
  // Bytes moved since each map was last used: a cache that still holds the map has room for these as well.
  double input_since = 0, output_since = 0, residual_since = 0;
  // Bytes of all weights read between one band and the next; 0 where there are no bands.
  double stream_weight_bytes = 0;
  // Bytes of rows that a band passes to the next.
  double carried_bytes = 0;
};

// How a pass is divided into items and shared among threads.
struct PassWork {
  double bands = 0;
  double blocks = 0;
  double items = 0;
  double tiles = 0;  // register tiles of one panel
  double units = 0;  // pixels, or squares of them
  double repeated = 0;  // units that two threads compute, each for itself
  double prepared = 0;  // units whose pointers or transforms are made, once for every part of their block's panels
  // Units: all of them, and those of the thread that does most.
  double cut = 0, busiest = 0;

  double share() const { return busiest / cut; }

  // Adds what another thread does at the same time on its own.
  void add_beside(const PassWork& other) {
    bands += other.bands, blocks += other.blocks, items += other.items, tiles += other.tiles;
    units += other.units, prepared += other.prepared, cut += other.cut;
    busiest = std::max(busiest, other.busiest);
  }
};

// Adds pixels [first, last) of a pass, as `convolve_range` would compute them.
void describe_range(const DescribeSetting& setting, const ConvolutionPass& pass, long first, long last,
                    PassWork& work);

// Scales `work` of a whole map down to an expected number of units: in proportion, but at least one of everything. The
// result is monotone and equals `work` for the whole map.
PassWork scaled(const PassWork& whole, double units, double panels, int threads);

// The description of one instruction.
struct Description {
  Amounts amounts;
  Tally tally;
  // The alternative way to compute the same, where the loops would choose by counts that are only expected here.
  bool has_other = false;
  Amounts other;

  void add(const Amounts& more) {
    amounts.add_all(more);
    other.add_all(more);
  }
};

// Amounts of a convolution whose pixels or squares are divided as in `work`.
void describe_convolution(const DescribeSetting& setting, const DescribedPass& described, const PassWork& work,
                          Amounts& amounts);

// Description of a convolution divided as in `work` with squares, or as in `apart` pixel by pixel; both when counts are
// expectations.
void describe_cut(const DescribeSetting& setting, const DescribedPass& described, const PassWork& work,
                  const PassWork& apart, Description& description);

// A convolution on its own.
void describe_pass(const DescribeSetting& setting, const DescribedPass& described, Description& description);

// Convolutions that run band by band: one description each.
// `in_place`: as in `plan_stream`.
void describe_stream(const DescribeSetting& setting, DescribedPass* passes, int count, bool in_place,
                     Description* descriptions);

// A convolution that runs band by band with a pool of the map that it reads; `pool` without pointers.
void describe_pooled(const DescribeSetting& setting, const GridPool& pool, DescribedPass& described,
                     Description& description);

// A pool of `pixels` pixels to `cells` cells, of a map last used `since` bytes ago. `in_cache`: the same pass has just
// written the pixels.
void describe_pool(const DescribeSetting& setting, const GridPool& pool, double pixels, double cells, double since,
                   bool in_cache, Amounts& amounts);

}  // namespace fovea
