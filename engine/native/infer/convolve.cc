#include "infer/convolve.h"

#include <algorithm>

#include "infer/copied_rows.h"
#include "infer/describe.h"
#include "infer/pointers.h"
#include "infer/winograd.h"

namespace fovea {

namespace {

void depthwise_block(const Machine& machine, const ConvolutionPass& pass, Scratch& scratch, long first_pixel,
                     long last_pixel) {
  const PackedConvolution& convolution = *pass.convolution;
  const Geometry& g = convolution.geometry;
  const long channels = convolution.channels;
  const long together = depthwise_together(convolution);

  const DepthwiseLayer layer{g.kernel_height,          g.kernel_width, convolution.weight.data(),
                             convolution.bias.data(), channels,       pass.kernel_activation(),
                             convolution.slopes.data()};
  DepthwiseRun run{};
  run.row_pitch = static_cast<long>(g.dilation_y) * pass.input.width * channels;
  run.tap_pitch = g.dilation_x * channels;
  run.pixel_pitch = g.stride_x * channels;
  // Single pixels, and pixels at the border of the map.
  DepthwisePixels apart{0, scratch.taps.data(), scratch.outputs.data(),
                        pass.residual ? scratch.residuals.data() : nullptr};
  const auto finish_apart = [&] {
    if (apart.pixels > 0) machine.kernels->depthwise_pixels(layer, apart);
    apart.pixels = 0;
  };

  PixelWalk at(pass, first_pixel);
  while (at.index < last_pixel) {
    const long inside =
        pass.source_layout == Layout::map ? pixels_inside(pass, at, std::min(together, last_pixel - at.index)) : 0;
    if (inside > 0) {
      run.pixels = inside;
      run.input = first_tap(pass, at);
      run.output = output_row(pass, at);
      run.residual = pass.residual ? pass.residual + at.pixel * channels : nullptr;
      machine.kernels->depthwise_run(layer, run);
      at.advance(inside);
      continue;
    }
    const long p = apart.pixels++;
    point_taps(pass, at, machine.zeros, scratch.taps.data() + p * convolution.taps, 1);
    scratch.outputs[p] = output_row(pass, at);
    if (pass.residual) scratch.residuals[p] = pass.residual + at.pixel * channels;
    at.next();
    if (apart.pixels == together) finish_apart();
  }
  finish_apart();
}

// A max-pool: taps outside the map do not count.
void maximum_block(const Machine& machine, const ConvolutionPass& pass, Scratch& scratch, long first_pixel,
                   long last_pixel) {
  const long channels = pass.convolution->channels;
  const float** taps = scratch.taps.data();
  for (PixelWalk at(pass, first_pixel); at.index < last_pixel; at.next()) {
    point_taps(pass, at, machine.zeros, taps, 1);
    const float** end = std::remove(taps, taps + pass.convolution->taps, machine.zeros);
    float* output = output_row(pass, at);
    const float* residual = pass.residual ? pass.residual + at.pixel * channels : nullptr;
    // The output may be the residual, so that the values cannot lie there meanwhile.
    constexpr long piece = 256;
    float values[piece] = {};
    for (long c = 0; c < channels; c += piece) {
      const long count = std::min(piece, channels - c);
      if (end > taps) machine.kernels->maximum(taps, static_cast<int>(end - taps), values, count);
      machine.kernels->add(values, residual ? residual + c : nullptr, output + c, count, pass.activation);
      for (const float** tap = taps; tap < end; tap++) *tap += count;
    }
  }
}

// Normalises pixels that have just been computed.
void normalise_block(const Machine& machine, const ConvolutionPass& pass, long first_pixel, long last_pixel) {
  const PackedConvolution& convolution = *pass.convolution;
  const long channels = convolution.geometry.out_channels;
  const float* values = convolution.normalisation.data();
  const RowNormalisation normalisation{convolution.centred, values, values + channels, convolution.epsilon,
                                       pass.activation, values + 2 * channels};
  for (PixelWalk at(pass, first_pixel); at.index < last_pixel; at.next())
    machine.kernels->normalise(output_row(pass, at), normalisation, channels);
}

}  // namespace

long depthwise_together(const PackedConvolution& convolution) {
  const Geometry& g = convolution.geometry;
  const long of_pixel = static_cast<long>(g.kernel_height) * g.stride_x * convolution.channels;
  const long most = std::clamp<long>(limits::depthwise_values / of_pixel, limits::depthwise_pixels, limits::block_pixels);
  return most - most % limits::depthwise_pixels;
}

void Scratch::reserve(int taps_of_a_pixel, long winograd_values, long row_values, long attended_values,
                      const KernelTable& kernels) {
  const size_t pixels = limits::block_pixels;
  taps.resize(std::max(taps.size(), pixels * taps_of_a_pixel + taps_ahead * max_tile_rows));
  distances.resize(std::max(distances.size(), static_cast<size_t>(taps_of_a_pixel)));
  outputs.resize(pixels);
  residuals.resize(pixels);
  if (sums.size() == 0) sums = AlignedFloats(pixels * kernels.lanes * kernels.tile_vectors);
  if (winograd.size() < static_cast<size_t>(winograd_values)) winograd = AlignedFloats(winograd_values);
  if (rows.size() < static_cast<size_t>(row_values)) rows = AlignedFloats(static_cast<size_t>(row_values));
  if (attended.size() < static_cast<size_t>(attended_values))
    attended = AlignedFloats(static_cast<size_t>(attended_values));
}

TileRuns share_rows(int rows, int most_rows) {
  const int tiles = (rows + most_rows - 1) / most_rows;
  const int height = rows / tiles, higher = rows % tiles;
  if (higher == 0) return {{{0, height, tiles}}, 1};
  return {{{0, height + 1, higher}, {higher * (height + 1), height, tiles - higher}}, 2};
}

Items share_items(int threads, long rows, long together, long panels) {
  long blocks = (rows + together - 1) / together;
  if (threads == 1) return {blocks, 1};
  // Every thread gets the same number of blocks, unless that makes blocks very small.
  const long even = (blocks + threads - 1) / threads * threads;
  if (rows >= even * limits::few_rows) blocks = even;
  // Enough items that other threads can take over from one that is delayed; a few more where that makes them equal.
  const long wanted = std::clamp<long>((limits::items_of_thread * threads + blocks - 1) / blocks, 1, panels);
  for (long parts = wanted; parts < 2 * wanted; parts++)
    if (panels % parts == 0) return {blocks, parts};
  return {blocks, wanted};
}

void fetch_ahead(TileArguments& tile, long width, int tiles) {
  const long steps = tile.taps * tile.channels;
  tile.ahead = reinterpret_cast<const char*>(tile.weight + steps * width);
  tile.ahead_share = steps * width * static_cast<long>(sizeof(float)) / tiles;
  tile.ahead_pitch = tile.ahead_share * ahead_steps / steps;
}

void convolve_block(const Machine& machine, const ConvolutionPass& pass, Scratch& scratch, long first_pixel,
                    long last_pixel, int first_panel, int last_panel) {
  const PackedConvolution& convolution = *pass.convolution;
  if (convolution.maximum) return maximum_block(machine, pass, scratch, first_pixel, last_pixel);
  if (convolution.form == PackedConvolution::Form::depthwise)
    return depthwise_block(machine, pass, scratch, first_pixel, last_pixel);

  const KernelTable& kernels = *machine.kernels;
  const int count = static_cast<int>(last_pixel - first_pixel);
  const int taps = convolution.taps;
  const TileRuns runs = share_rows(count, kernels.tile_rows);
  scratch.tally.tiles += static_cast<double>(runs.tiles()) * (last_panel - first_panel) *
                         static_cast<double>(convolution.blocks.size());

  point_tiles(pass, first_pixel, runs, machine.zeros, scratch);
  if (copies_rows(convolution, count, last_panel - first_panel, kernels.tile_rows))
    copy_rows(convolution, count, scratch);

  TileArguments tile{};
  tile.activation = pass.kernel_activation();
  tile.taps_of_row = taps;
  const size_t last_block = convolution.blocks.size() - 1;
  constexpr int short_row = 32;
  const bool grouped = convolution.geometry.groups > 1;
  const bool unforeseen = pass.pixels || (taps > 1 && convolution.channels <= short_row);
  for (int p = first_panel; p < last_panel; p++) {
    const Panel& panel = convolution.panels[p];
    const long width = static_cast<long>(panel.vectors) * kernels.lanes;
    const TileKernel* kernel = kernels.tile[panel.vectors - 1];
    tile.output_offset = panel.column;
    tile.columns = panel.columns;
    tile.slopes = convolution.slopes_of(panel);
    // Panels of one group read the same rows again.
    tile.fetches_input = unforeseen && (grouped || p == first_panel);
    for (size_t b = 0; b <= last_block; b++) {
      const ReductionBlock& block = convolution.blocks[b];
      tile.taps = block.taps;
      tile.channels = block.channels;
      tile.input_offset = panel.input_offset + block.channel;
      tile.weight = convolution.weight.data() + panel.weight + block.first * width;
      tile.bias = b == 0 ? convolution.bias.data() + panel.bias : nullptr;
      // The next block's weights follow these.
      fetch_ahead(tile, width, runs.tiles());
      for (const TileRun& run : runs) {
        const long row = run.first_row;
        tile.tiles = run.tiles;
        tile.input = scratch.taps.data() + row * taps + static_cast<long>(block.tap) * run.rows;
        tile.sums = scratch.sums.data() + row * width;
        tile.output = b == last_block ? scratch.outputs.data() + row : nullptr;
        tile.residual = pass.residual ? scratch.residuals.data() + row : nullptr;
        kernel[run.rows - 1](tile);
        tile.ahead += run.tiles * tile.ahead_share;
      }
    }
  }
}

void convolve_range(const Machine& machine, const ConvolutionPass& pass, long first, long last) {
  const long count = last - first;
  if (count <= 0) return;
  if (pass.squares > 0) return winograd_range(machine, pass, first, last);
  machine.scratch->tally.bands++;
  machine.scratch->tally.units += static_cast<double>(count);
  const PackedConvolution& convolution = *pass.convolution;
  const Items items = share_items(machine.threads, count, limits::block_pixels, panels_of(convolution));
  // Where one thread computes all channels of a block it normalises them, while they are in its cache.
  const bool at_once = convolution.normalised && items.parts == 1;
  share_panels(machine, convolution, count, limits::block_pixels, [&](Range pixels, Range panels, int thread) {
    convolve_block(machine, pass, machine.scratch[thread], first + pixels.first, first + pixels.last,
                   static_cast<int>(panels.first), static_cast<int>(panels.last));
    if (at_once) normalise_block(machine, pass, first + pixels.first, first + pixels.last);
  });
  if (!convolution.normalised || at_once) return;
  machine.pool->for_each(machine.threads, items.blocks, machine.stop, [&](long block, int) {
    const Range pixels = part_of(count, block, items.blocks);
    normalise_block(machine, pass, first + pixels.first, first + pixels.last);
  });
}

void convolve(const Machine& machine, const ConvolutionPass& pass) {
  convolve_range(machine, pass, 0, pass.count);
}

void describe_range(const DescribeSetting& setting, const ConvolutionPass& pass, long first, long last,
                    PassWork& work) {
  if (last <= first) return;
  const PackedConvolution& convolution = *pass.convolution;
  long count = last - first, together = limits::block_pixels;
  if (pass.squares > 0) {
    count = squares_before(pass, last) - squares_before(pass, first);
    together = squares_together(convolution);
    // Where pixels are only assumed to be spread evenly, a band may contain no square.
    if (count == 0) return;
  }
  const long panels = panels_of(convolution);
  const Items items = share_items(setting.threads, count, together, panels);
  const long taken = items.blocks * items.parts;
  for (long block = 0; block < items.blocks; block++) {
    const Range rows = part_of(count, block, items.blocks);
    work.tiles += share_rows(static_cast<int>(rows.last - rows.first), setting.shape.tile_rows).tiles();
  }
  work.bands++;
  work.blocks += static_cast<double>(items.blocks);
  work.items += static_cast<double>(taken);
  work.units += static_cast<double>(count);
  work.cut += static_cast<double>(count);
  work.prepared += static_cast<double>(count * items.parts);
  // For the thread that takes one item more than the others.
  const long most = (taken + setting.threads - 1) / setting.threads;
  work.busiest += static_cast<double>(count) * static_cast<double>(most) / static_cast<double>(taken);
}

}  // namespace fovea
