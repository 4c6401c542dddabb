// What the loops do, counted without doing it: for a number of pixels that is known, or expected of a random mask.
#pragma once
#include "infer/amounts.h"
#include "infer/convolve.h"
#include "infer/grid_pool.h"

namespace fovea {

// A convolution that is described: a pass without pointers.
struct DescribedPass {
  // Its `count` and `squares` are those of the whole map where they are expected, and what is computed otherwise.
  ConvolutionPass pass{};
  double pixels = 0;
  // Squares of 2 x 2 pixels with at least one that is computed.
  double squares = 0;
  // True when both are expectations. Counts that follow are then smooth in them: a higher rate never costs less.
  bool expected = false;
  // Input pixels that are read.
  double input_pixels = 0;
  // Runs of pixels side by side, where they are listed; otherwise 0.
  double runs = 0;
  // True when the pass before, or after, runs band by band with this one: what passes between is near.
  bool input_streamed = false, output_streamed = false;
  // True when a residual map is read.
  bool residual = false;
  // Bytes that have passed since the maps were last used: what a cache must hold beside them to hold them still.
  double input_since = 0, output_since = 0, residual_since = 0;
  // Bytes of all weights that pass by between one band and the next; 0 where there are no bands.
  double stream_weight_bytes = 0;
  // Bytes of rows that bands hand on to each other.
  double carried_bytes = 0;
};

// How a pass is cut up and shared out among threads.
struct PassWork {
  double bands = 0;
  double blocks = 0;
  double items = 0;
  double tiles = 0;  // register tiles of one panel
  double units = 0;  // pixels, or squares of them
  double prepared = 0;  // units that are made ready, once for every part of their block's panels
  // Of the units cut up: all of them, and those of the thread that does most.
  double cut = 0, busiest = 0;

  double share() const { return busiest / cut; }
};

// Adds pixels [first, last) of a pass, as `convolve_range` would compute them.
void describe_range(const DescribeSetting& setting, const ConvolutionPass& pass, long first, long last,
                    PassWork& work);

// What `work` over a whole map comes to when so many of its units are expected: in proportion, but at least one of
// everything, so that it is monotone and meets the whole map at its end.
PassWork scaled(const PassWork& whole, double units, double panels, int threads);

// The description of one instruction.
struct Description {
  Amounts amounts;
  Tally tally;
  // The other way to compute the same, where the loops choose by counts that are only expected.
  bool has_other = false;
  Amounts other;

  void add(const Amounts& more) {
    amounts.add_all(more);
    other.add_all(more);
  }
};

// Amounts of a convolution whose pixels, or squares, are cut up as `work` says.
void describe_convolution(const DescribeSetting& setting, const DescribedPass& described, const PassWork& work,
                          Amounts& amounts);

// One that was cut up as `work` says, or as `apart` if its pixels are computed directly: where they are expected, both.
void describe_cut(const DescribeSetting& setting, const DescribedPass& described, const PassWork& work,
                  const PassWork& apart, Description& description);

// A convolution by itself.
void describe_pass(const DescribeSetting& setting, const DescribedPass& described, Description& description);

// Convolutions that run band by band: one description each.
void describe_stream(const DescribeSetting& setting, DescribedPass* passes, int count, Description* descriptions);

// A convolution that runs band by band with a pool of the map that it reads; `pool` without pointers.
void describe_pooled(const DescribeSetting& setting, const GridPool& pool, DescribedPass& described,
                     Description& description);

// A pool of `pixels` pixels to `cells` cells, of a map last used `since` bytes ago; `in_cache`: the pass has just written
// it itself.
void describe_pool(const DescribeSetting& setting, const GridPool& pool, double pixels, double cells, double since,
                   bool in_cache, Amounts& amounts);

}  // namespace fovea
