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

void depthwise_block(const Machine& machine, const ConvolutionPass& pass, Scratch& scratch, long first_pixel,
                     long last_pixel) {
  const PackedConvolution& convolution = *pass.convolution;
  DepthwiseArguments arguments{};
  arguments.input = scratch.taps.data();
  arguments.taps = convolution.taps;
  arguments.weight = convolution.weight.data();
  arguments.bias = convolution.bias.data();
  arguments.output = scratch.outputs.data();
  arguments.residual = pass.residual ? scratch.residuals.data() : nullptr;
  arguments.channels = convolution.channels;
  arguments.activation = pass.activation;
  // So few pixels that their rows stay in the first-level cache while every vector of channels passes by.
  constexpr long together = 8;
  PixelWalk at(pass, first_pixel);
  for (long i = first_pixel; i < last_pixel; i += arguments.pixels) {
    arguments.pixels = std::min(together, last_pixel - i);
    for (long p = 0; p < arguments.pixels; p++, at.next()) {
      point_taps(pass, at, machine.zeros, scratch.taps.data() + p * convolution.taps, 1);
      scratch.outputs[p] = output_row(pass, at);
      if (pass.residual) scratch.residuals[p] = pass.residual + at.pixel * pass.output.channels;
    }
    machine.kernels->depthwise(arguments);
  }
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

void convolve_block(const Machine& machine, const ConvolutionPass& pass, Scratch& scratch, long first_pixel,
                    long last_pixel, int first_panel, int last_panel) {
  const PackedConvolution& convolution = *pass.convolution;
  if (convolution.form == PackedConvolution::Form::depthwise)
    return depthwise_block(machine, pass, scratch, first_pixel, last_pixel);

  const KernelTable& kernels = *machine.kernels;
  const int count = static_cast<int>(last_pixel - first_pixel);
  const int groups = (count + kernels.tile_rows - 1) / kernels.tile_rows;
  const int taps = convolution.taps;

  // Pointers, tile by tile: tiles differ by at most one row, so that none is nearly empty.
  PixelWalk at(pass, first_pixel);
  for (int group = 0, row = 0; group < groups; group++) {
    const int end = count * (group + 1) / groups;
    const int rows = end - row;
    const float** tile_taps = scratch.taps.data() + static_cast<long>(row) * taps;
    for (int i = 0; i < rows; i++, row++, at.next()) {
      point_taps(pass, at, machine.zeros, tile_taps + i, rows);
      scratch.outputs[row] = output_row(pass, at);
      if (pass.residual) scratch.residuals[row] = pass.residual + at.pixel * pass.output.channels;
    }
  }

  TileArguments tile{};
  tile.activation = pass.activation;
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
      // The next block's weights follow these: each tile fetches a share of them ahead.
      const auto* ahead = reinterpret_cast<const char*>(tile.weight + block.taps * block.channels * width);
      const long share = block.taps * block.channels * width * 4 / groups;
      tile.ahead_pitch = share * ahead_steps / (block.taps * block.channels);
      for (int group = 0, row = 0; group < groups; group++) {
        const int end = count * (group + 1) / groups;
        const int rows = end - row;
        tile.input = scratch.taps.data() + static_cast<long>(row) * taps + static_cast<long>(block.tap) * rows;
        tile.sums = scratch.sums.data() + row * width;
        if (b == last_block) {
          tile.output = scratch.outputs.data() + row;
          tile.residual = pass.residual ? scratch.residuals.data() + row : nullptr;
        } else {
          tile.output = nullptr;
        }
        tile.ahead = ahead + group * share;
        kernel[rows - 1](tile);
        row = end;
      }
    }
  }
}

void convolve_range(const Machine& machine, const ConvolutionPass& pass, long first, long last) {
  const long count = last - first;
  if (count <= 0) return;
  if (pass.tiling) return winograd_range(machine, pass, first, last);
  const long blocks = (count + block_pixels - 1) / block_pixels;
  const int panels = static_cast<int>(std::max<size_t>(1, pass.convolution->panels.size()));
  // Small maps have too few blocks to go round: then each block's panels are shared out as well.
  const long wanted = machine.threads == 1 ? 1 : 4L * machine.threads;
  const int parts = static_cast<int>(std::min<long>(panels, (wanted + blocks - 1) / blocks));
  machine.pool->for_each(machine.threads, blocks * parts, machine.stop, [&](long item, int thread) {
    const long block = item / parts;
    const int part = static_cast<int>(item % parts);
    convolve_block(machine, pass, machine.scratch[thread], first + count * block / blocks,
                   first + count * (block + 1) / blocks, panels * part / parts, panels * (part + 1) / parts);
  });
}

void convolve(const Machine& machine, const ConvolutionPass& pass) {
  convolve_range(machine, pass, 0, pass.count);
}

}  // namespace fovea
