// Describes convolutions: counts the work of the loops in convolve.cc and winograd.cc.
#include <cmath>

#include "infer/copied_rows.h"
#include "infer/describe.h"
#include "infer/winograd.h"

namespace fovea {

namespace {

// The parameters of the reduction loop, in squares or pixel by pixel.
struct Walk {
  double pointers;  // to one unit's inputs
  double steps;
  double pieces;
  double weight_bytes;
};

Walk walk_of(const PackedConvolution& convolution, bool in_squares) {
  using limits::products;
  if (in_squares)
    return {products, static_cast<double>(products) * convolution.channels,
            static_cast<double>(products) * winograd_blocks(convolution),
            float_bytes * static_cast<double>(convolution.winograd_values)};
  return {static_cast<double>(convolution.taps), static_cast<double>(convolution.steps()),
          static_cast<double>(convolution.blocks.size()),
          float_bytes * static_cast<double>(convolution.weight_values)};
}

// What all descriptions of one pass need.
struct Subject {
  const DescribeSetting& setting;
  const DescribedPass& described;
  const PassWork& work;
  const PackedConvolution& convolution;
  const Geometry& geometry;
  Walk walk;
  double share;  // of the thread that does most
};

bool depthwise(const PackedConvolution& convolution) {
  return convolution.form == PackedConvolution::Form::depthwise;
}

double vectors_of(const PackedConvolution& convolution) {
  double vectors = 0;
  for (const Panel& panel : convolution.panels) vectors += panel.vectors;
  return vectors;
}

void add_tiles(const Subject& s, Amounts& amounts) {
  const PassWork& work = s.work;
  const double rows = work.units / work.tiles;
  double sums = 0, narrow_rows = 0;
  for (const Panel& panel : s.convolution.panels) {
    sums += std::max(rows * panel.vectors, sums_that_hide);
    if (panel.vectors == 1) narrow_rows += rows;
  }
  const auto panels = static_cast<double>(s.convolution.panels.size());
  amounts.add(Amount::multiply_adds, work.tiles * s.walk.steps * sums * s.share);
  amounts.add(Amount::narrow_rows, work.tiles * s.walk.steps * narrow_rows * s.share);
  amounts.add(Amount::tile_calls, work.tiles * s.walk.pieces * panels * s.share);
}

// Blocks take as long as their multiply-adds or as the arrival of their weights, whichever is longer.
void add_arrivals(const Subject& s, Amounts& amounts) {
  const PassWork& work = s.work;
  // Threads share the channels of a block, or its weights arrive at each of them.
  const bool in_parts = work.items >= 2 * work.blocks;
  const auto of_thread = [&](double count) { return in_parts ? count : std::max(1.0, count * s.share); };
  const double bands = of_thread(work.bands);
  // The very first block reads weights that were last used in the run before. The first block of every later band, and all
  // other blocks, read them from the cache level that holds what has passed since.
  const struct {
    double blocks;
    Held since;
  } parts[] = {
      {1, s.setting.held(s.setting.run_bytes)},
      {bands - 1, s.setting.held(std::max(s.walk.weight_bytes, s.described.stream_weight_bytes))},
      {std::max(0.0, of_thread(work.blocks) - bands), s.setting.held(s.walk.weight_bytes)},
  };
  const double tiles = work.tiles / work.blocks;
  const double rows = work.units / work.tiles;
  for (const Arrival& arrival : arrivals) {
    double sums = 0;
    for (const Panel& panel : s.convolution.panels) {
      const double computing = tiles * std::max(rows * panel.vectors, sums_that_hide);
      const double far = std::max(computing, arrival.far_rows * panel.vectors);
      const double memory = std::max(computing, arrival.memory_rows * panel.vectors);
      for (const auto& [blocks, since] : parts)
        sums += blocks * (since.near * computing + since.far * far + since.memory * memory);
    }
    amounts.add(arrival.amount, s.walk.steps * sums * (in_parts ? s.share : 1));
  }
}

void add_traffic(const Subject& s, Amounts& amounts) {
  const DescribedPass& d = s.described;
  const PassWork& work = s.work;
  const DescribeSetting& setting = s.setting;
  const double input_bytes = float_bytes * d.input_pixels * s.geometry.in_channels;
  const double output_bytes = float_bytes * d.pixels * s.geometry.out_channels;
  amounts.add(Amount::convolutions, 1);
  amounts.add(Amount::items, work.items * s.share);
  amounts.add(Amount::panels, work.blocks * static_cast<double>(panels_of(s.convolution)) *
                                  std::max(1.0, s.walk.pieces) * s.share);
  amounts.add(Amount::elements, d.pixels * s.geometry.out_channels * s.share);
  if (curved(d.pass.activation)) {
    const double vectors = std::ceil(static_cast<double>(s.geometry.out_channels) / setting.shape.lanes);
    amounts.add(Amount::curved, d.pixels * vectors * s.share);
  }
  if (s.convolution.normalised) {
    const double vectors = std::ceil(static_cast<double>(s.geometry.out_channels) / setting.shape.lanes);
    amounts.add(Amount::normalised, d.pixels * vectors * s.share);
    amounts.add(Amount::rows, d.pixels * s.share);
    // Another pass of all threads where they share the channels of a block.
    if (work.items >= 2 * work.blocks) amounts.add(Amount::items, work.blocks * s.share);
  }
  const auto reach = [&](bool streamed, double bytes, double since) {
    return streamed ? std::min(setting.near_bytes, bytes) : bytes + since;
  };
  const double input_size = reach(d.input_streamed, input_bytes, d.input_since);
  const double output_size = reach(d.output_streamed, output_bytes, d.output_since);
  amounts.add_levels(depthwise(s.convolution) ? Amount::depthwise_read : Amount::read, input_bytes * s.share, input_size,
                     setting);
  // Hardware prefetching stops where a listed run ends, both in the map read and in the map written.
  amounts.add_levels(Amount::breaks, d.runs * s.share, input_size + output_size, setting);
  // A strided pointwise convolution skips pixels, which defeats hardware prefetching.
  if (s.geometry.taps() == 1 && s.geometry.stride_x > 1) amounts.add(Amount::strided, input_bytes * s.share);
  if (!d.in_place) amounts.add_levels(Amount::write, output_bytes * s.share, output_size, setting);
  if (d.residual)
    amounts.add_levels(Amount::residual, output_bytes * s.share, output_bytes + d.residual_since, setting);
  const auto spans = static_cast<double>(s.convolution.spans());
  if (s.geometry.taps() > 1 && s.geometry.stride_x > 1 && !depthwise(s.convolution)) {
    // A spatial convolution starts a run of channels at every pixel and group, and each start waits for its line.
    amounts.add_levels(Amount::runs, d.input_pixels * spans * s.share, input_size, setting);
  }
  // By the thread that moves most: one moves all before the others begin, or each those of its part.
  amounts.add(Amount::carried, d.carried_bytes);
}

// Input pixels read by all blocks; a pixel that several outputs of a block share is counted once for the block.
double distinct_pixels(const Subject& s) {
  const Geometry& g = s.geometry;
  const double pixels = s.described.pixels;
  if (g.taps() == 1) return pixels;
  const double of_block = std::min<double>(pixels, limits::block_pixels);
  const double width = s.described.pass.output.width;
  const double rows = std::max(1.0, of_block / width);
  const double columns = std::min(of_block, width);
  const auto reach = [&](double outputs, int kernel) { return (outputs - 1) * g.stride_x + kernel; };
  const double distinct =
      std::min(of_block * g.taps(), reach(rows, g.kernel_height) * reach(columns, g.kernel_width));
  return distinct / of_block * pixels;
}

// A block's inputs, read again for every panel from the cache level that holds them.
void add_again(const Subject& s, double distinct, double channels, Amounts& amounts) {
  const auto spans = static_cast<double>(s.convolution.spans());
  const double bytes = float_bytes * distinct * channels;
  amounts.add_levels(Amount::again, bytes * static_cast<double>(s.convolution.panels.size()) * s.share,
                     bytes * spans / s.work.blocks, s.setting);
  // Groups that are computed separately read short runs of channels, far apart.
  if (spans > 1) amounts.add(Amount::group_runs, distinct * spans * s.share);
}

// Share of the output pixels that have every tap inside the map.
double inside_share(const Subject& s) {
  const Geometry& g = s.geometry;
  const ConvolutionPass& pass = s.described.pass;
  const auto along = [](int outputs, int inputs, int kernel, int stride, int pad, int dilation) {
    const int first = (pad + stride - 1) / stride;
    const int last = (inputs - 1 - (kernel - 1) * dilation + pad) / stride;
    return static_cast<double>(std::max(0, std::min(outputs - 1, last) - first + 1)) / outputs;
  };
  return along(pass.output.height, pass.input.height, g.kernel_height, g.stride_y, g.pad_top, g.dilation_y) *
         along(pass.output.width, pass.input.width, g.kernel_width, g.stride_x, g.pad_left, g.dilation_x);
}

void add_depthwise(const Subject& s, Amounts& amounts) {
  const double pixels = s.described.pixels;
  const double vectors = std::ceil(static_cast<double>(s.geometry.out_channels) / s.setting.shape.lanes);
  const double inside = pixels * inside_share(s);
  const double apart = pixels - inside;
  // A run ends with its row or its list, or where its rows would no longer fit the cache.
  const double ended = std::max(s.described.runs, inside / s.described.pass.output.width);
  const double runs = std::min(inside, ended + inside / static_cast<double>(depthwise_together(s.convolution)));
  // Those of whole rows may be taken in pairs, without masks: half a vector is then one in fact. Of listed pixels, runs are
  // rarely long enough.
  const Geometry& g = s.geometry;
  const bool pairs = s.described.runs == 0 && s.described.pass.output.width >= limits::paired_pixels &&
                     limits::pairs_pixels(g.out_channels, s.setting.shape.lanes, g.taps(), g.stride_x * g.out_channels);
  const double channels = static_cast<double>(g.out_channels);
  const double all_vectors = (pairs ? inside * channels / s.setting.shape.lanes : inside * vectors) + apart * vectors;
  amounts.add(Amount::depthwise, s.walk.pointers * all_vectors * s.share);
  amounts.add(Amount::depthwise_listed, apart * s.walk.pointers * vectors * s.share);
  amounts.add(Amount::depthwise_runs, runs * vectors * s.share);
  amounts.add(Amount::depthwise_outputs, all_vectors * s.share);
  amounts.add(Amount::pointed, (apart + runs) * s.share);
  amounts.add(Amount::pointers, apart * s.walk.pointers * s.share);
}

}  // namespace

PassWork scaled(const PassWork& whole, double units, double panels, int threads) {
  const double once = whole.units - whole.repeated;
  if (units >= once) return whole;
  const double scale = units / once;
  PassWork work{};
  work.units = whole.units * scale;
  work.repeated = whole.repeated * scale;
  work.bands = std::max(1.0, whole.bands * scale);
  work.blocks = std::max(work.bands, whole.blocks * scale);
  work.tiles = std::max(1.0, whole.tiles * scale);
  const double wanted = threads == 1 ? 1 : static_cast<double>(limits::items_of_thread) * threads;
  const double parts = std::min({panels, std::max(1.0, whole.items / work.blocks), wanted});
  work.items = work.blocks * parts;
  work.prepared = work.units * parts;
  work.cut = whole.cut;
  work.busiest = whole.busiest;
  return work;
}

void describe_convolution(const DescribeSetting& setting, const DescribedPass& d, const PassWork& work,
                          Amounts& amounts) {
  const PackedConvolution& convolution = *d.pass.convolution;
  const bool in_squares = d.pass.squares > 0;
  const Subject s{setting, d, work, convolution, convolution.geometry, walk_of(convolution, in_squares),
                  work.share()};
  if (depthwise(convolution)) {
    add_depthwise(s, amounts);
    return add_traffic(s, amounts);
  }
  const double vectors = vectors_of(convolution);
  add_tiles(s, amounts);
  add_arrivals(s, amounts);
  amounts.add(Amount::pointed, work.prepared * s.share);
  if (in_squares) {
    amounts.add(Amount::partial_sums, work.units * s.share * vectors * s.walk.pieces);
    amounts.add(Amount::pointers, work.prepared * s.walk.pointers * s.share);
    const double lanes = setting.shape.lanes;
    amounts.add(Amount::square_inputs, work.prepared * std::ceil(convolution.channels / lanes) * s.share);
    amounts.add(Amount::square_outputs, work.units * vectors * s.share);
  } else {
    amounts.add(Amount::partial_sums, work.units * s.share * vectors * (s.walk.pieces - 1));
    if (s.geometry.taps() > 1 || s.geometry.stride_x > 1)
      amounts.add(Amount::pointers, work.prepared * s.walk.pointers * s.share);
  }
  add_traffic(s, amounts);
  if (in_squares)
    add_again(s, work.units, s.walk.steps, amounts);
  else
    add_again(s, distinct_pixels(s), convolution.channels, amounts);
  const double parts = work.items / work.blocks;
  if (!in_squares && copies_rows(convolution, std::lround(work.units / work.blocks),
                                 std::lround(static_cast<double>(panels_of(convolution)) / parts),
                                 setting.shape.tile_rows))
    amounts.add(Amount::copy, 2 * float_bytes * work.prepared * convolution.channels * s.share);
  if (convolution.form == PackedConvolution::Form::rows)
    amounts.add(Amount::copy, 2 * float_bytes * static_cast<double>(d.pass.input.values()) * setting.even());
}

void describe_cut(const DescribeSetting& setting, const DescribedPass& described, const PassWork& work,
                  const PassWork& apart, Description& description) {
  if (described.pixels <= 0) return;
  const PackedConvolution& convolution = *described.pass.convolution;
  const auto panels = static_cast<double>(panels_of(convolution));
  const bool in_squares = described.pass.squares > 0;
  const auto of_expected = [&](const PassWork& whole, double units) {
    return described.expected ? scaled(whole, units, panels, setting.threads) : whole;
  };
  // A square holds four pixels at most.
  const double squares = std::max(described.squares, described.pixels / 4);
  const PassWork done = of_expected(work, in_squares ? squares : described.pixels);
  describe_convolution(setting, described, done, description.amounts);
  const double pieces = depthwise(convolution) ? 0 : walk_of(convolution, in_squares).pieces;
  description.tally = {done.bands, done.items, depthwise(convolution) ? 0 : done.tiles * panels * pieces,
                       done.units - done.repeated};
  description.has_other = in_squares && described.expected;
  if (!description.has_other) return;
  DescribedPass directly = described;
  directly.pass.squares = 0;
  describe_convolution(setting, directly, of_expected(apart, described.pixels), description.other);
}

void describe_pass(const DescribeSetting& setting, const DescribedPass& described, Description& description) {
  ConvolutionPass apart = described.pass;
  apart.squares = 0;
  PassWork work{}, directly{};
  describe_range(setting, described.pass, 0, described.pass.count, work);
  describe_range(setting, apart, 0, apart.count, directly);
  describe_cut(setting, described, work, directly, description);
}

}  // namespace fovea
