// The kinds of work that the kernels' time consists of. `describe` gives an amount of each for every instruction, a
// calibration finds the cost of one unit of each on a machine, and a prediction is the sum of amounts times costs. The
// amounts count what the loops really do, so predictions also hold for shapes that were never timed.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>

#include "infer/limits.h"

namespace fovea {

// Which of a Profile's three parts an amount belongs to.
enum class Share { compute, data, overhead };

// The level that data comes from or goes to, of amounts that are kept apart by it.
enum class Place { any, near, far, memory };

enum class Unit { bytes, pieces };

struct AmountName {
  const char* name;
  Share share;
  Place place = Place::any;
  // Of an amount that has a place.
  Unit unit = Unit::bytes;
};

// In the order of `amount_names`. Amounts that come in threes are bytes or pixels by the nearest level that holds them:
// second-level cache, last-level cache, memory.
enum class Amount : int {
  multiply_adds,   // of vectors, padding included; of a tile with few sums as many as would take as long
  arrivals,        // the same, of blocks at least as many as would take as long as their weights arrive: see `arrivals`
  narrow_rows = arrivals + 6,  // rows of reduction steps in tiles of one vector, where every multiply-add loads its input
  tile_calls,      // register tiles, once for each piece of the reduction
  partial_sums,    // vectors of sums stored between pieces of the reduction
  depthwise,       // taps of vectors of channels
  depthwise_listed,  // those of pixels that have pointers to their taps
  depthwise_runs,  // vectors of channels, once for every run of pixels
  depthwise_outputs,  // vectors of outputs
  square_inputs,   // vectors of channels of a square that are transformed
  square_outputs,  // vectors of outputs of a square that are transformed
  pointed,         // pixels or squares whose position is computed
  pointers,        // pointers to their taps
  elements,        // output values
  curved,          // vectors of outputs whose activation takes an exponential
  normalised,      // vectors of channels that are normalised
  rows,            // rows of channels that a row-by-row pass works on
  panels,          // panels of each block
  read,
  depthwise_read = read + 3,  // by depthwise convolutions, which compute too little to hide it
  again = depthwise_read + 3,  // inputs that are read again for every panel
  strided = again + 3,
  breaks,            // ends of runs of listed pixels
  runs = breaks + 3, // runs of channels that start at every pixel
  group_runs = runs + 3,
  residual,
  write = residual + 3,
  pool = write + 3,  // bytes that are pooled
  pool_cells,
  copy,              // bytes read and written to copy inputs: into a padded map, or out of each other's way
  carried,           // bytes of a stream's rows that a band passes to the next
  load,              // bytes that passes which only move or add rows read
  store = load + 3,  // and those that they write to where they have not read
  passes = store + 3,
  convolutions,
  items,             // what threads take
  index_regions,
  index_pixels,
  index_listed,
  index_runs,
  index_squares,
  index_halo,
  decisions,         // values that deciders read
  decided,           // cells
  count
};

constexpr int amount_count = static_cast<int>(Amount::count);

constexpr AmountName amount_names[] = {
    {"multiplyAdds", Share::compute}, {"arrivals0And5", Share::compute}, {"arrivals0And12", Share::compute},
    {"arrivals0And30", Share::compute}, {"arrivals5And12", Share::compute}, {"arrivals5And30", Share::compute},
    {"arrivals12And30", Share::compute}, {"narrowRows", Share::compute}, {"tileCalls", Share::compute},
    {"partialSums", Share::compute}, {"depthwise", Share::compute}, {"depthwiseListed", Share::compute},
    {"depthwiseRuns", Share::compute}, {"depthwiseOutputs", Share::compute}, {"squareInputs", Share::compute},
    {"squareOutputs", Share::compute}, {"pointed", Share::compute}, {"pointers", Share::compute},
    {"elements", Share::compute}, {"curved", Share::compute}, {"normalised", Share::compute}, {"rows", Share::compute},
    {"panels", Share::compute}, {"readNear", Share::data, Place::near}, {"readFar", Share::data, Place::far},
    {"readMemory", Share::data, Place::memory}, {"depthwiseReadNear", Share::data, Place::near},
    {"depthwiseReadFar", Share::data, Place::far}, {"depthwiseReadMemory", Share::data, Place::memory},
    {"againNear", Share::data, Place::near}, {"againFar", Share::data, Place::far},
    {"againMemory", Share::data, Place::memory}, {"readStrided", Share::data},
    {"breaksNear", Share::data, Place::near, Unit::pieces}, {"breaksFar", Share::data, Place::far, Unit::pieces},
    {"breaksMemory", Share::data, Place::memory, Unit::pieces}, {"runsNear", Share::data, Place::near, Unit::pieces},
    {"runsFar", Share::data, Place::far, Unit::pieces}, {"runsMemory", Share::data, Place::memory, Unit::pieces},
    {"groupRuns", Share::data}, {"residualNear", Share::data, Place::near}, {"residualFar", Share::data, Place::far},
    {"residualMemory", Share::data, Place::memory}, {"writeNear", Share::data, Place::near},
    {"writeFar", Share::data, Place::far}, {"writeMemory", Share::data, Place::memory}, {"poolBytes", Share::data},
    {"poolCells", Share::data}, {"copyBytes", Share::data}, {"carriedBytes", Share::data},
    {"loadNear", Share::data, Place::near}, {"loadFar", Share::data, Place::far},
    {"loadMemory", Share::data, Place::memory}, {"storeNear", Share::data, Place::near},
    {"storeFar", Share::data, Place::far}, {"storeMemory", Share::data, Place::memory}, {"passes", Share::overhead},
    {"convolutions", Share::overhead}, {"items", Share::overhead}, {"indexRegions", Share::overhead},
    {"indexPixels", Share::overhead}, {"indexListed", Share::overhead}, {"indexRuns", Share::overhead},
    {"indexSquares", Share::overhead}, {"indexHalo", Share::overhead}, {"decisions", Share::overhead},
    {"decided", Share::overhead},
};
static_assert(sizeof amount_names / sizeof *amount_names == amount_count, "every amount has a name");

// Whether amounts with a place come in threes, as `Amounts::add_levels` counts and costs are fitted.
constexpr bool in_threes() {
  int next = 0;
  constexpr Place levels[] = {Place::near, Place::far, Place::memory};
  for (const AmountName& amount : amount_names) {
    if (amount.place == Place::any ? next != 0 : amount.place != levels[next]) return false;
    next = amount.place == Place::any ? 0 : (next + 1) % 3;
  }
  return next == 0;
}
static_assert(in_threes(), "near, far, memory");

// In how many rows' time a step of weights arrives from the last-level cache and from memory differs from machine to
// machine. There is an amount for each of these pairs; what a calibration finds each to cost blends them.
struct Arrival {
  Amount amount;
  double far_rows, memory_rows;
};
constexpr Amount arrival(int index) { return static_cast<Amount>(static_cast<int>(Amount::arrivals) + index); }
constexpr Arrival arrivals[] = {{arrival(0), 0, 5},  {arrival(1), 0, 12}, {arrival(2), 0, 30},
                                {arrival(3), 5, 12}, {arrival(4), 5, 30}, {arrival(5), 12, 30}};
static_assert(arrival(static_cast<int>(sizeof arrivals / sizeof *arrivals)) == Amount::narrow_rows, "an amount for each");

// Share of something that a cache still holds when it is used again, `size` times as large as the cache, if everything
// is used in turn: all where it fits. A cache that replaces lines at random, as large ones nearly do, loses a line with
// the chance that each of the misses in between brings: the share solves s = exp(-(1 - s) size). By Newton's method from
// below, where the function rises and is concave.
inline double kept_share(double size) {
  if (size <= 1) return 1;
  double share = 0;
  for (int i = 0; i < 12; i++) {
    const double survives = std::exp((share - 1) * size);
    const double step = (survives - share) / (1 - size * survives);
    share += step;
    if (step < 1e-6) break;
  }
  return std::min(share, 1.0);
}

// Shares of something that the nearest levels which can hold it hold.
struct Held {
  double near, far, memory;
};

// Where and by how many threads a program is to run.
struct DescribeSetting {
  TileShape shape;
  int threads;
  long band_pixels;  // as in Machine
  // The second-level cache of a core, and what of the last-level cache this process has.
  double near_bytes, far_bytes;
  // Bytes that pass from one use of a weight to the next, which is in the next run.
  double run_bytes;

  Held held(double size) const {
    const double near = kept_share(size / near_bytes);
    const double far = std::max(0.0, kept_share(size / far_bytes) - near);
    return {near, far, std::max(0.0, 1 - near - far)};
  }
  // For work that all threads share evenly.
  double even() const { return 1.0 / threads; }
};

// What a convolution executed, independent of cost: descriptions are checked against these counts.
struct Tally {
  double bands = 0;  // calls that computed something
  double items = 0;
  double tiles = 0;  // register tiles, once for each panel and piece of the reduction
  double units = 0;  // pixels, or squares of them

  Tally& operator+=(const Tally& other) {
    bands += other.bands, items += other.items, tiles += other.tiles, units += other.units;
    return *this;
  }
};
constexpr int tally_count = 4;

// The amounts of one instruction, on the thread that finishes last.
class Amounts {
 public:
  void add(Amount amount, double value) { values_[static_cast<int>(amount)] += value; }
  // Splits the bytes of something `size` bytes large between the levels that can hold it.
  void add_levels(Amount near, double bytes, double size, const DescribeSetting& setting) {
    if (bytes <= 0) return;
    const Held held = setting.held(size);
    const int first = static_cast<int>(near);
    values_[first] += bytes * held.near;
    values_[first + 1] += bytes * held.far;
    values_[first + 2] += bytes * held.memory;
  }
  // The rest of a whole without a part.
  void subtract(const Amounts& part) {
    for (int i = 0; i < amount_count; i++) values_[i] = std::max(0.0, values_[i] - part.values_[i]);
  }
  void add_all(const Amounts& other) {
    for (int i = 0; i < amount_count; i++) values_[i] += other.values_[i];
  }
  const std::array<double, amount_count>& values() const { return values_; }

 private:
  std::array<double, amount_count> values_{};
};

}  // namespace fovea
