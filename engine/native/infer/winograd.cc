#include "infer/winograd.h"

#include <algorithm>

namespace fovea {

namespace {

using limits::products;
using limits::reduction_steps;
// Distance between the values of different products. Not a multiple of 4 KiB, as all would share one cache set.
constexpr long apart = 16;
constexpr float zero_bias[64] = {};

// The 4 x 4 inputs under a square; zeros where no computed pixel reads.
void point_window(const ConvolutionPass& pass, const Square& square, const float* zeros, const float** window) {
  const Geometry& g = pass.convolution->geometry;
  const long channels = pass.input.channels;
  if (pass.source_layout == Layout::map) {
    const long row_values = pass.input.width * channels;
    const float* image = pass.source + static_cast<long>(square.image) * pass.input.height * row_values;
    const int top = square.y - g.pad_top, left = square.x - g.pad_left;
    if (square.whole() && top >= 0 && top + 4 <= pass.input.height && left >= 0 && left + 4 <= pass.input.width) {
      const float* first = image + top * row_values + left * channels;
      for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) window[i * 4 + j] = first + i * row_values + j * channels;
      return;
    }
    const auto at = [&](int i, int j) {
      const int y = top + i, x = left + j;
      return y >= 0 && y < pass.input.height && x >= 0 && x < pass.input.width ? image + y * row_values + x * channels
                                                                               : zeros;
    };
    if (square.whole()) {
      for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) window[i * 4 + j] = at(i, j);
      return;
    }
    std::fill(window, window + products, zeros);
    for (int k = 0; k < 4; k++) {
      if (square.index[k] < 0) continue;
      for (int i = k / 2; i < k / 2 + 3; i++)
        for (int j = k % 2; j < k % 2 + 3; j++) window[i * 4 + j] = at(i, j);
    }
    return;
  }
  std::fill(window, window + products, zeros);
  for (int k = 0; k < 4; k++) {
    if (square.index[k] < 0) continue;
    const float* first = pass.source + pass.halo->first_tap[square.index[k]] * channels;
    const long row_pitch = pass.halo->pitch[square.index[k]] * channels;
    for (int i = 0; i < 3; i++)
      for (int j = 0; j < 3; j++) window[(k / 2 + i) * 4 + k % 2 + j] = first + i * row_pitch + j * channels;
  }
}

// Squares [first, last) and panels [first, last) on the calling thread.
void compute_squares(const Machine& machine, const ConvolutionPass& pass, Scratch& scratch, long first_square,
                     long last_square, int first_panel, int last_panel) {
  const PackedConvolution& convolution = *pass.convolution;
  const KernelTable& kernels = *machine.kernels;
  const Square* squares = pass.tiling->squares.data() + first_square;
  const int count = static_cast<int>(last_square - first_square);
  const long channels = convolution.channels;
  const long input_pitch = count * channels + apart;
  float* inputs = scratch.winograd.data();
  float* sums = inputs + products * input_pitch;

  for (int s = 0; s < count; s++) {
    const float* window[products];
    point_window(pass, squares[s], machine.zeros, window);
    kernels.winograd_input(window, inputs + s * channels, input_pitch, channels);
    scratch.taps[s] = inputs + s * channels;
  }

  const TileRuns runs = share_rows(count, kernels.tile_rows);
  const int blocks = winograd_blocks(convolution);
  scratch.tally.tiles += static_cast<double>(runs.tiles()) * (last_panel - first_panel) * products * blocks;
  TileArguments tile{};
  tile.taps = tile.taps_of_row = 1;
  WinogradOutput out{};
  out.activation = pass.activation;
  for (int p = first_panel; p < last_panel; p++) {
    const Panel& panel = convolution.panels[p];
    const long width = static_cast<long>(panel.vectors) * kernels.lanes;
    const long sums_pitch = count * width + apart;
    const TileKernel* kernel = kernels.tile[panel.vectors - 1];
    tile.columns = panel.columns;
    tile.weight = convolution.winograd.data() + static_cast<long>(panel.column) * products * channels;
    for (int product = 0; product < products; product++) {
      for (int block = 0; block < blocks; block++) {
        const long from = channels * block / blocks, to = channels * (block + 1) / blocks;
        tile.channels = to - from;
        tile.input_offset = product * input_pitch + from;
        tile.bias = block == 0 ? zero_bias : nullptr;
        fetch_ahead(tile, width, runs.tiles());
        for (const TileRun& run : runs) {
          tile.tiles = run.tiles;
          tile.input = scratch.taps.data() + run.first_row;
          tile.sums = sums + product * sums_pitch + run.first_row * width;
          kernel[run.rows - 1](tile);
          tile.ahead += run.tiles * tile.ahead_share;
        }
        tile.weight += (to - from) * width;
      }
    }
    out.columns = panel.columns;
    out.pitch = sums_pitch;
    out.bias = convolution.bias.data() + panel.bias;
    out.slopes = convolution.slopes_of(panel);
    for (int s = 0; s < count; s++) {
      out.products = sums + s * width;
      for (int k = 0; k < 4; k++) {
        const long index = squares[s].index[k];
        out.output[k] = nullptr;
        out.residual[k] = nullptr;
        if (index < 0) continue;
        const long pixel = pass.pixels ? pass.pixels[index] : index;
        const long row = pass.destination_layout == Layout::map ? pixel : index;
        out.output[k] = pass.destination + row * pass.output.channels + panel.column;
        if (pass.residual) out.residual[k] = pass.residual + pixel * pass.output.channels + panel.column;
      }
      kernels.winograd_output(out);
    }
  }
}

}  // namespace

long squares_together(const PackedConvolution& packed) {
  return std::clamp(limits::winograd_values / products / packed.channels, limits::fewest_squares,
                    limits::most_squares);
}

int winograd_blocks(const PackedConvolution& packed) {
  return (packed.channels + reduction_steps - 1) / reduction_steps;
}

AlignedFloats winograd_weights(const PackedConvolution& packed, const float* weight, const KernelTable& kernels) {
  const long channels = packed.channels;
  constexpr float G[4][3] = {{1, 0, 0}, {0.5f, 0.5f, 0.5f}, {0.5f, -0.5f, 0.5f}, {0, 0, 1}};
  AlignedFloats transformed(packed.winograd_values);
  for (const Panel& panel : packed.panels) {
    const long width = static_cast<long>(panel.vectors) * kernels.lanes;
    float* to = transformed.data() + static_cast<long>(panel.column) * products * channels;
    for (int j = 0; j < panel.columns; j++) {
      for (long c = 0; c < channels; c++) {
        const float* g = weight + ((panel.column + j) * channels + c) * 9;
        double half[4][3];
        for (int i = 0; i < 4; i++)
          for (int x = 0; x < 3; x++)
            half[i][x] = static_cast<double>(G[i][0]) * g[x] + static_cast<double>(G[i][1]) * g[3 + x] +
                         static_cast<double>(G[i][2]) * g[6 + x];
        for (int i = 0; i < 4; i++)
          for (int k = 0; k < 4; k++)
            to[((i * 4 + k) * channels + c) * width + j] =
                static_cast<float>(half[i][0] * G[k][0] + half[i][1] * G[k][1] + half[i][2] * G[k][2]);
      }
    }
  }
  return transformed;
}

long winograd_scratch(const PackedConvolution& packed, const KernelTable& kernels) {
  const long squares = squares_together(packed);
  return products * (squares * packed.channels + apart + squares * kernels.lanes * kernels.tile_vectors + apart);
}

bool winograd_pays(double squares, double pixels) {
  using limits::weight_reading;
  return products * (limits::square_cost * squares + weight_reading) < 9 * (pixels + weight_reading);
}

void winograd_range(const Machine& machine, const ConvolutionPass& pass, long first, long last) {
  if (last <= first) return;
  const long first_square = pass.tiling->square_of(first);
  const long count = pass.tiling->square_of(last) - first_square;
  machine.scratch->tally.bands++;
  machine.scratch->tally.units += static_cast<double>(count);
  share_panels(machine, *pass.convolution, count, squares_together(*pass.convolution),
               [&](Range squares, Range panels, int thread) {
                 compute_squares(machine, pass, machine.scratch[thread], first_square + squares.first,
                                 first_square + squares.last, static_cast<int>(panels.first),
                                 static_cast<int>(panels.last));
               });
}

long squares_before(const ConvolutionPass& pass, long pixel) {
  if (pixel >= pass.count) return pass.squares;
  const Extent& map = pass.output;
  const long row = pass.place(pixel) / map.width;
  const long image = row / map.height;
  const long rows_of_squares = image * ((map.height + 1) / 2) + (row - image * map.height) / 2;
  const long across = (map.width + 1) / 2;
  const long whole = static_cast<long>(map.batch) * ((map.height + 1) / 2) * across;
  return pass.squares == whole ? rows_of_squares * across : rows_of_squares * across * pass.squares / whole;
}

namespace {

// The first row of the pair of output rows that contains a pixel of the pass, and the first after it.
Range pair_of_rows(const ConvolutionPass& pass, long pixel) {
  const long row = pass.place(pixel) / pass.output.width;
  const long image = row / pass.output.height * pass.output.height;
  const long first = image + (row - image) / 2 * 2;
  return {first, std::min(first + 2, image + pass.output.height)};
}

}  // namespace

long winograd_align(const ConvolutionPass& pass, long end) {
  if (end <= 0 || end >= pass.count) return end;
  if (pass.cell_ends) return *std::lower_bound(pass.cell_ends->begin(), pass.cell_ends->end(), end);
  return pass.before(pair_of_rows(pass, end - 1).last * pass.output.width);
}

long winograd_begin(const ConvolutionPass& pass, long begin) {
  if (pass.cell_ends) {
    const auto after = std::upper_bound(pass.cell_ends->begin(), pass.cell_ends->end(), begin);
    return after == pass.cell_ends->begin() ? 0 : *(after - 1);
  }
  return pass.before(pair_of_rows(pass, begin).first * pass.output.width);
}

}  // namespace fovea
