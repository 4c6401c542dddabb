#include "infer/convolve.h"

#include <algorithm>

#include "infer/winograd.h"

namespace fovea {

namespace {

// Walks the output pixels of a pass, giving each one's image, row and column.
class PixelWalk {
 public:
  PixelWalk(const ConvolutionPass& pass, long first) : pass_(pass) { seek(first); }

  void seek(long i) {
    index = i;
    pixel = pass_.pixels ? pass_.pixels[i] : i;
    const Extent& map = pass_.output;
    x = static_cast<int>(pixel % map.width);
    const long row = pixel / map.width;
    y = static_cast<int>(row % map.height);
    image = static_cast<int>(row / map.height);
  }
  void next() {
    index++;
    if (index >= pass_.count) return;
    const long following = pass_.pixels ? pass_.pixels[index] : index;
    if (following == pixel + 1 && x + 1 < pass_.output.width) {
      pixel = following;
      x++;
    } else {
      seek(index);
    }
  }

  // Past `count` pixels that follow each other in this row.
  void advance(long count) {
    index += count - 1;
    pixel += count - 1;
    x += static_cast<int>(count) - 1;
    next();
  }

  long index, pixel;
  int image, y, x;

 private:
  const ConvolutionPass& pass_;
};

// Writes the pointers of one output pixel's taps, `pitch` apart.
void point_taps(const ConvolutionPass& pass, const PixelWalk& at, const float* zeros, const float** taps,
                long pitch) {
  const Geometry& g = pass.convolution->geometry;
  const long channels = pass.input.channels;
  if (pass.source_layout == Layout::packed) {
    *taps = pass.source + at.index * channels;
    return;
  }
  if (pass.source_layout == Layout::halo) {
    const float* first = pass.source + pass.halo->first_tap[at.index] * channels;
    const long row_pitch = pass.halo->pitch[at.index] * channels;
    for (int ky = 0; ky < g.kernel_height; ky++)
      for (int kx = 0; kx < g.kernel_width; kx++, taps += pitch) *taps = first + ky * row_pitch + kx * channels;
    return;
  }
  const long row_values = pass.input.width * channels;
  const float* image = pass.source + static_cast<long>(at.image) * pass.input.height * row_values;
  const int top = at.y * g.stride_y - g.pad_top;
  const int left = at.x * g.stride_x - g.pad_left;
  if (pass.convolution->form == PackedConvolution::Form::rows) {
    // The source is padded: every tap lies inside it.
    const float* first = image + (at.y * g.stride_y) * row_values + (at.x * g.stride_x) * channels;
    for (int ky = 0; ky < g.kernel_height; ky++, taps += pitch) *taps = first + ky * g.dilation_y * row_values;
    return;
  }
  for (int ky = 0; ky < g.kernel_height; ky++) {
    const int y = top + ky * g.dilation_y;
    const bool row_inside = y >= 0 && y < pass.input.height;
    const float* row = image + y * row_values;
    for (int kx = 0; kx < g.kernel_width; kx++, taps += pitch) {
      const int x = left + kx * g.dilation_x;
      *taps = row_inside && x >= 0 && x < pass.input.width ? row + x * channels : zeros;
    }
  }
}

float* output_row(const ConvolutionPass& pass, const PixelWalk& at) {
  const long row = pass.destination_layout == Layout::map ? at.pixel : at.index;
  return pass.destination + row * pass.output.channels;
}

// Pixels from the walk's on that follow each other in one row, at most `most`, with every tap inside the map;
// 0 when that one has a tap outside.
long pixels_inside(const ConvolutionPass& pass, const PixelWalk& at, long most) {
  const Geometry& g = pass.convolution->geometry;
  const int top = at.y * g.stride_y - g.pad_top, bottom = top + (g.kernel_height - 1) * g.dilation_y;
  const int left = at.x * g.stride_x - g.pad_left, reach = (g.kernel_width - 1) * g.dilation_x;
  if (top < 0 || bottom >= pass.input.height || left < 0 || left + reach >= pass.input.width) return 0;
  const long inside = (pass.input.width - 1 - reach - left) / g.stride_x + 1;
  most = std::min({most, inside, static_cast<long>(pass.output.width - at.x)});
  if (!pass.pixels) return most;
  long count = 1;
  while (count < most && pass.pixels[at.index + count] == at.pixel + count) count++;
  return count;
}

void depthwise_block(const Machine& machine, const ConvolutionPass& pass, Scratch& scratch, long first_pixel,
                     long last_pixel) {
  const PackedConvolution& convolution = *pass.convolution;
  const Geometry& g = convolution.geometry;
  const long channels = convolution.channels;
  // So few pixels that their rows stay in the first-level cache while every vector of channels passes by.
  constexpr long cached_values = 6 * 1024;
  const long together = std::clamp<long>(cached_values / (g.kernel_height * g.stride_x * channels), 4, block_pixels);

  const DepthwiseLayer layer{g.kernel_height,          g.kernel_width, convolution.weight.data(),
                             convolution.bias.data(), channels,       pass.activation};
  DepthwiseRun run{};
  run.row_pitch = static_cast<long>(g.dilation_y) * pass.input.width * channels;
  run.tap_pitch = g.dilation_x * channels;
  run.pixel_pitch = g.stride_x * channels;
  // Single pixels, and those at the border of the map.
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
      run.input = pass.source + ((static_cast<long>(at.image) * pass.input.height + at.y * g.stride_y - g.pad_top) *
                                     pass.input.width +
                                 at.x * g.stride_x - g.pad_left) *
                                    channels;
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

}  // namespace

void Scratch::reserve(int taps_of_a_pixel, long winograd_values, const KernelTable& kernels) {
  const size_t rows = block_pixels;
  taps.resize(std::max(taps.size(), rows * taps_of_a_pixel));
  outputs.resize(rows);
  residuals.resize(rows);
  if (sums.size() == 0) sums = AlignedFloats(rows * kernels.lanes * kernels.tile_vectors);
  if (winograd.size() < static_cast<size_t>(winograd_values)) winograd = AlignedFloats(winograd_values);
}

TileRuns share_rows(int rows, int most_rows) {
  const int tiles = (rows + most_rows - 1) / most_rows;
  const int height = rows / tiles, higher = rows % tiles;
  if (higher == 0) return {{{0, height, tiles}}, 1};
  return {{{0, height + 1, higher}, {higher * (height + 1), height, tiles - higher}}, 2};
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
  if (convolution.form == PackedConvolution::Form::depthwise)
    return depthwise_block(machine, pass, scratch, first_pixel, last_pixel);

  const KernelTable& kernels = *machine.kernels;
  const int count = static_cast<int>(last_pixel - first_pixel);
  const int taps = convolution.taps;
  const TileRuns runs = share_rows(count, kernels.tile_rows);

  // Pointers, tile by tile.
  PixelWalk at(pass, first_pixel);
  const float** tile_taps = scratch.taps.data();
  for (const TileRun& run : runs) {
    for (int tile = 0; tile < run.tiles; tile++, tile_taps += static_cast<long>(taps) * run.rows) {
      for (int i = 0; i < run.rows; i++, at.next()) {
        point_taps(pass, at, machine.zeros, tile_taps + i, run.rows);
        const long row = at.index - first_pixel;
        scratch.outputs[row] = output_row(pass, at);
        if (pass.residual) scratch.residuals[row] = pass.residual + at.pixel * pass.output.channels;
      }
    }
  }

  TileArguments tile{};
  tile.activation = pass.activation;
  tile.taps_of_row = taps;
  const size_t last_block = convolution.blocks.size() - 1;
  for (int p = first_panel; p < last_panel; p++) {
    const Panel& panel = convolution.panels[p];
    const long width = static_cast<long>(panel.vectors) * kernels.lanes;
    const TileKernel* kernel = kernels.tile[panel.vectors - 1];
    tile.output_offset = panel.column;
    tile.columns = panel.columns;
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
  if (pass.tiling) return winograd_range(machine, pass, first, last);
  share_panels(machine, *pass.convolution, count, block_pixels, [&](Share pixels, Share panels, int thread) {
    convolve_block(machine, pass, machine.scratch[thread], first + pixels.first, first + pixels.last,
                   static_cast<int>(panels.first), static_cast<int>(panels.last));
  });
}

void convolve(const Machine& machine, const ConvolutionPass& pass) {
  convolve_range(machine, pass, 0, pass.count);
}

}  // namespace fovea
