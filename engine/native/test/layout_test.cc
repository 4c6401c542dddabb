// Packed weights, and the lists of pixels that follow from masks, against their definitions.
#include <algorithm>
#include <array>
#include <numeric>

#include "infer/pack.h"
#include "infer/region.h"
#include "test/unit_test.h"

namespace fovea::test {

namespace {

Geometry square_kernel(int in, int out, int kernel, int stride, int pad, int dilation, int groups) {
  return {in, out, kernel, kernel, stride, stride, pad, pad, pad, pad, dilation, dilation, groups};
}

// The weight that output channel `out` has for input channel `in` at a tap, found in the packed order.
float packed_weight(const PackedConvolution& packed, int lanes, int out, int in, int ky, int kx) {
  const Geometry& g = packed.geometry;
  if (packed.form == PackedConvolution::Form::depthwise)
    return in == out ? packed.weight.data()[(ky * g.kernel_width + kx) * g.out_channels + out] : 0.0f;
  for (const Panel& panel : packed.panels) {
    if (out < panel.column || out >= panel.column + panel.columns) continue;
    const long width = static_cast<long>(panel.vectors) * lanes;
    const long c = in - panel.input_offset;
    if (packed.form == PackedConvolution::Form::rows) {
      const long step = static_cast<long>(ky * g.kernel_width + kx) * g.in_channels + c;
      return packed.weight.data()[panel.weight + step * width + out - panel.column];
    }
    if (c < 0 || c >= packed.channels) return 0.0f;
    const long step = static_cast<long>(ky * g.kernel_width + kx) * packed.channels + c;
    return packed.weight.data()[panel.weight + step * width + out - panel.column];
  }
  fail("output channel " + std::to_string(out) + " is in no panel");
  return 0.0f;
}

Mask random_mask(Numbers& numbers, int batch, int rows, int columns, int height, int width, int of_four) {
  Mask mask{batch, rows, columns, height, width, {}, {}, {}};
  for (long i = 0; i < mask.cell_count(); i++) mask.cells.push_back(numbers.below(4) < of_four);
  return mask;
}

Region region_of(int batch, int height, int width) {
  Region region{};
  region.batch = batch;
  region.height = height;
  region.width = width;
  region.wants_others = true;
  region.reserve();
  return region;
}

// Lists a mask's own region cell by cell, in a random order.
void order_cells(Numbers& numbers, Mask& mask, Region& region) {
  mask.listed.resize(static_cast<size_t>(mask.rows) * mask.columns);
  std::iota(mask.listed.begin(), mask.listed.end(), 0);
  for (int i = static_cast<int>(mask.listed.size()) - 1; i > 0; i--)
    std::swap(mask.listed[i], mask.listed[numbers.below(i + 1)]);
  region.by_cells = true;
}

// The pixels of a mask's active cells, cell by cell.
std::vector<int32_t> cell_by_cell(const Mask& mask) {
  std::vector<int32_t> pixels;
  for (int n = 0; n < mask.batch; n++)
    for (const int32_t cell : mask.listed)
      for (int y = 0; y < mask.height; y++)
        for (int x = 0; x < mask.width; x++)
          if (cell == y * mask.rows / mask.height * mask.columns + x * mask.columns / mask.width &&
              mask.cells[n * mask.listed.size() + cell])
            pixels.push_back((n * mask.height + y) * mask.width + x);
  return pixels;
}

// One value a pixel, 1 where the region has it.
std::vector<uint8_t> spread(const Region& region) {
  std::vector<uint8_t> pixels(region.map_pixels(), region.all ? 1 : 0);
  for (int32_t pixel : region.pixels) pixels[pixel] = 1;
  return pixels;
}

void expect_others(const Region& region, const std::string& name) {
  if (region.all) return;
  const std::vector<uint8_t> inside = spread(region);
  expect(region.others.size() + region.pixels.size() == inside.size(), name + ": others are not the rest");
  for (int32_t pixel : region.others) expect(!inside[pixel], name + ": a pixel is inside and outside");
  expect(region.by_cells || std::is_sorted(region.pixels.begin(), region.pixels.end()),
         name + ": pixels are not in raster order");
}

}  // namespace

TEST("packing keeps every weight and bias, and zeros between merged groups") {
  for (const char* isa : {"avx512", "avx2", "neon", "portable"}) {
    const KernelTable* kernels = select_kernels(isa);
    if (!kernels) continue;
    int seed = 0;
    for (const auto& [in, out, kernel, groups] :
         {std::array<int, 4>{3, 10, 7, 1}, {4, 5, 3, 1}, {16, 40, 1, 1}, {300, 9, 1, 1}, {12, 24, 3, 3}, {32, 32, 3, 8},
          {24, 24, 5, 24}, {6, 10, 3, 2}, {64, 130, 3, 1}}) {
      Numbers numbers(static_cast<uint64_t>(++seed));
      const Geometry g = square_kernel(in, out, kernel, 1, kernel / 2, 1, groups);
      const int group_in = in / groups, group_out = out / groups;
      const std::vector<float> weight = numbers.values(static_cast<size_t>(out) * group_in * kernel * kernel);
      const std::vector<float> bias = numbers.values(out);
      const PackedConvolution packed = pack(g, {}, weight.data(), {bias.data()}, *kernels);
      const std::string name = std::string(isa) + " " + std::to_string(in) + " to " + std::to_string(out) + " in " +
                               std::to_string(groups) + " groups of " + std::to_string(kernel);
      long steps = 0;
      for (const ReductionBlock& block : packed.blocks) {
        expect(block.first == steps, name + ": blocks of the reduction do not follow each other");
        steps += static_cast<long>(block.taps) * block.channels;
      }
      if (packed.form != PackedConvolution::Form::depthwise)
        expect(steps == static_cast<long>(packed.taps) * packed.channels, name + ": blocks leave steps out");
      for (int o = 0; o < out; o++) {
        for (int i = 0; i < in; i++)
          for (int ky = 0; ky < kernel; ky++)
            for (int kx = 0; kx < kernel; kx++) {
              const bool meets = i / group_in == o / group_out;
              const float wanted =
                  meets ? weight[((static_cast<size_t>(o) * group_in + i % group_in) * kernel + ky) * kernel + kx] : 0.0f;
              expect(packed_weight(packed, kernels->lanes, o, i, ky, kx) == wanted, name + ": a weight is elsewhere");
            }
        if (packed.form == PackedConvolution::Form::depthwise) {
          expect(packed.bias.data()[o] == bias[o], name + ": a bias is elsewhere");
        } else {
          for (const Panel& panel : packed.panels)
            if (o >= panel.column && o < panel.column + panel.columns)
              expect(packed.bias.data()[panel.bias + o - panel.column] == bias[o], name + ": a bias is elsewhere");
        }
      }
    }
  }
}

TEST("a mask's region has the pixels of its active cells") {
  for (int seed = 1; seed <= 200; seed++) {
    Numbers numbers(static_cast<uint64_t>(seed));
    const int height = 1 + numbers.below(20), width = 1 + numbers.below(20);
    const int rows = 1 + numbers.below(height), columns = 1 + numbers.below(width), batch = 1 + numbers.below(3);
    Mask mask = random_mask(numbers, batch, rows, columns, height, width, numbers.below(5));
    Region region = region_of(batch, height, width);
    if (seed % 2 == 0) order_cells(numbers, mask, region);
    fill_from_mask(mask, region);
    if (region.by_cells) {
      expect(!region.all && region.pixels == cell_by_cell(mask), "seed " + std::to_string(seed) + ": not cell by cell");
      const int32_t end = region.cell_ends.empty() ? 0 : region.cell_ends.back();
      expect(end == static_cast<int32_t>(region.pixels.size()), "seed " + std::to_string(seed) + ": where cells end");
    }
    const std::vector<uint8_t> pixels = spread(region);
    for (int n = 0; n < batch; n++)
      for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
          const long cell = (static_cast<long>(n) * rows + y * rows / height) * columns + x * columns / width;
          expect(pixels[(static_cast<long>(n) * height + y) * width + x] == mask.cells[cell],
                 "seed " + std::to_string(seed) + ": pixel " + std::to_string(y) + ", " + std::to_string(x));
        }
    expect_others(region, "seed " + std::to_string(seed));
  }
}

TEST("a receptive region has exactly the pixels that a convolution reads, also of a whole map") {
  for (int seed = 1; seed <= 400; seed++) {
    Numbers numbers(static_cast<uint64_t>(seed));
    const int kernel = 1 + numbers.below(5), stride = 1 + numbers.below(3), dilation = 1 + numbers.below(2);
    const Geometry g = square_kernel(1, 1, kernel, stride, numbers.below(kernel), dilation, 1);
    const int in_height = 10 + numbers.below(12), in_width = 10 + numbers.below(12), batch = 1 + numbers.below(2);
    const int height = g.output_height(in_height), width = g.output_width(in_width);
    Mask mask = random_mask(numbers, batch, 1 + numbers.below(height), 1 + numbers.below(width), height, width,
                            numbers.below(5));
    Region output = region_of(batch, height, width), input = region_of(batch, in_height, in_width);
    if (seed % 2 == 0) order_cells(numbers, mask, output);
    fill_from_mask(mask, output);
    fill_receptive(output, g, input);
    std::vector<uint8_t> wanted(input.map_pixels(), 0);
    const std::vector<uint8_t> active = spread(output);
    for (long q = 0; q < output.map_pixels(); q++) {
      if (!active[q]) continue;
      const long n = q / height / width;
      const int y = static_cast<int>(q / width % height), x = static_cast<int>(q % width);
      for (int ky = 0; ky < kernel; ky++)
        for (int kx = 0; kx < kernel; kx++) {
          const int sy = y * stride - g.pad_top + ky * dilation, sx = x * stride - g.pad_left + kx * dilation;
          if (sy >= 0 && sy < in_height && sx >= 0 && sx < in_width) wanted[(n * in_height + sy) * in_width + sx] = 1;
        }
    }
    expect(spread(input) == wanted, "seed " + std::to_string(seed) + ": kernel " + std::to_string(kernel) + ", stride " +
                                        std::to_string(stride) + (output.all ? ", whole map" : ""));
    expect_others(input, "seed " + std::to_string(seed));
  }
}

TEST("squares hold every pixel of a region once, each in its place") {
  for (int seed = 1; seed <= 200; seed++) {
    Numbers numbers(static_cast<uint64_t>(seed));
    const int height = 1 + numbers.below(15), width = 1 + numbers.below(15), batch = 1 + numbers.below(2);
    Mask mask = random_mask(numbers, batch, 1 + numbers.below(height), 1 + numbers.below(width), height, width,
                            1 + numbers.below(4));
    Region region = region_of(batch, height, width);
    if (seed % 2 == 0) order_cells(numbers, mask, region);
    fill_from_mask(mask, region);
    Tiling tiling;
    fill_tiling(region, tiling);
    for (const int32_t end : region.cell_ends) {
      const long before = tiling.square_of(end);
      for (long s = 0; s < static_cast<long>(tiling.squares.size()); s++)
        for (const int32_t i : tiling.squares[s].index)
          expect(i < 0 || (i < end) == (s < before), "seed " + std::to_string(seed) + ": a square of two cells");
    }
    std::vector<int> seen(region.count(), 0);
    for (const Square& square : tiling.squares) {
      expect(square.y % 2 == 0 && square.x % 2 == 0, "a square begins at an odd pixel");
      for (int i = 0; i < 4; i++) {
        if (square.index[i] < 0) continue;
        seen[square.index[i]]++;
        const long pixel = region.all ? square.index[i] : region.pixels[square.index[i]];
        const long wanted = (static_cast<long>(square.image) * height + square.y + i / 2) * width + square.x + i % 2;
        expect(pixel == wanted, "seed " + std::to_string(seed) + ": a pixel stands in another's place");
      }
    }
    expect(std::all_of(seen.begin(), seen.end(), [](int times) { return times == 1; }),
           "seed " + std::to_string(seed) + ": a pixel is missing or there twice");
  }
}

}  // namespace fovea::test
