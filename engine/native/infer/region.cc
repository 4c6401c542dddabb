#include "infer/region.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

namespace fovea {

namespace {

void list_pixels(Region& region) {
  region.pixels.clear();
  region.others.clear();
  const uint8_t* inside = region.inside.data();
  const long count = region.map_pixels();
  for (long q = 0; q < count; q++) {
    uint64_t eight;
    if (!region.wants_others && q + 8 <= count && (std::memcpy(&eight, inside + q, 8), eight == 0)) {
      q += 7;
      continue;
    }
    if (inside[q])
      region.pixels.push_back(static_cast<int32_t>(q));
    else if (region.wants_others)
      region.others.push_back(static_cast<int32_t>(q));
  }
  region.all = static_cast<long>(region.pixels.size()) == count;
  if (region.all) region.pixels.clear();
}

// Lists the pixels of a mask's own region cell by cell.
void list_cells(const Mask& mask, Region& region) {
  region.pixels.clear();
  region.others.clear();
  region.cell_ends.clear();
  region.all = false;
  const auto of_image = static_cast<long>(mask.listed.size());
  for (int n = 0; n < mask.batch; n++) {
    for (const int32_t cell : mask.listed) {
      if (!mask.cells[n * of_image + cell]) continue;
      const int row = cell / mask.columns, column = cell % mask.columns;
      for (int y = mask.first_row(row); y < mask.first_row(row + 1); y++) {
        const long first = (static_cast<long>(n) * mask.height + y) * mask.width;
        for (int x = mask.first_column(column); x < mask.first_column(column + 1); x++)
          region.pixels.push_back(static_cast<int32_t>(first + x));
      }
      region.cell_ends.push_back(static_cast<int32_t>(region.pixels.size()));
    }
  }
  if (!region.wants_others) return;
  for (long q = 0; q < region.map_pixels(); q++)
    if (!region.inside[q]) region.others.push_back(static_cast<int32_t>(q));
}

// Positions along an axis that a kernel reads to compute all outputs.
std::vector<uint8_t> positions_read(int inputs, int outputs, int kernel, int stride, int pad, int dilation) {
  std::vector<uint8_t> read(inputs, 0);
  for (int i = 0; i < outputs; i++)
    for (int k = 0; k < kernel; k++) {
      const int source = i * stride - pad + k * dilation;
      if (source >= 0 && source < inputs) read[source] = 1;
    }
  return read;
}

void make_whole(Region& region) {
  region.all = true;
  region.pixels.clear();
  region.others.clear();
}

void make_empty(Region& region) {
  region.all = false;
  region.pixels.clear();
  region.cell_ends.clear();
  std::fill(region.inside.begin(), region.inside.end(), uint8_t{0});
  if (!region.wants_others) return;
  region.others.resize(region.map_pixels());
  std::iota(region.others.begin(), region.others.end(), 0);
}

// The region read for a whole map: a stride may skip rows and columns, and may not reach the last ones.
void fill_receptive_of_map(const Region& output, const Geometry& g, Region& input) {
  const std::vector<uint8_t> rows =
      positions_read(input.height, output.height, g.kernel_height, g.stride_y, g.pad_top, g.dilation_y);
  const std::vector<uint8_t> columns =
      positions_read(input.width, output.width, g.kernel_width, g.stride_x, g.pad_left, g.dilation_x);
  const auto all = [](const std::vector<uint8_t>& read) { return std::count(read.begin(), read.end(), 0) == 0; };
  if (all(rows) && all(columns)) return make_whole(input);
  uint8_t* inside = input.inside.data();
  for (int n = 0; n < input.batch; n++)
    for (int y = 0; y < input.height; y++)
      for (int x = 0; x < input.width; x++) *inside++ = rows[y] & columns[x];
  list_pixels(input);
}

}  // namespace

void Region::reserve() {
  pixels.reserve(map_pixels());
  inside.resize(map_pixels());
  if (wants_others) others.reserve(map_pixels());
}

void fill_from_mask(const Mask& mask, Region& region) {
  const long active = std::count_if(mask.cells.begin(), mask.cells.end(), [](uint8_t cell) { return cell != 0; });
  if (active == mask.cell_count() && !region.by_cells) return make_whole(region);
  if (active == 0) return make_empty(region);
  const uint8_t* cells = mask.cells.data();
  for (int n = 0; n < mask.batch; n++) {
    for (int row = 0; row < mask.rows; row++, cells += mask.columns) {
      const int top = mask.first_row(row), bottom = mask.first_row(row + 1);
      uint8_t* first = region.inside.data() + (static_cast<long>(n) * mask.height + top) * mask.width;
      for (int column = 0; column < mask.columns; column++) {
        const int left = mask.first_column(column), right = mask.first_column(column + 1);
        std::memset(first + left, cells[column] != 0, right - left);
      }
      for (int y = top + 1; y < bottom; y++)
        std::memcpy(first + static_cast<long>(y - top) * mask.width, first, mask.width);
    }
  }
  if (region.by_cells) return list_cells(mask, region);
  list_pixels(region);
}

void fill_receptive(const Region& output, const Geometry& g, Region& input) {
  if (output.all) return fill_receptive_of_map(output, g, input);
  if (output.pixels.empty()) return make_empty(input);
  std::fill(input.inside.begin(), input.inside.end(), uint8_t{0});
  const long plane = static_cast<long>(output.height) * output.width;
  // Adjacent taps form one run of pixels; others are marked one by one.
  const int runs = g.dilation_x == 1 ? 1 : g.kernel_width;
  const int run = g.dilation_x == 1 ? g.kernel_width : 1;
  const std::vector<int32_t>& pixels = output.pixels;
  for (size_t i = 0; i < pixels.size();) {
    const long n = pixels[i] / plane;
    const int y = static_cast<int>(pixels[i] % plane / output.width);
    const int x = static_cast<int>(pixels[i] % output.width);
    // Consecutive pixels of a row are marked together when their taps are adjacent.
    int length = 1;
    if (runs == 1 && g.stride_x <= run)
      while (i + length < pixels.size() && pixels[i + length] == pixels[i] + length && x + length < output.width)
        length++;
    for (int ky = 0; ky < g.kernel_height; ky++) {
      const int source_y = y * g.stride_y - g.pad_top + ky * g.dilation_y;
      if (source_y < 0 || source_y >= input.height) continue;
      uint8_t* row = input.inside.data() + (n * input.height + source_y) * input.width;
      for (int part = 0; part < runs; part++) {
        const int from = x * g.stride_x - g.pad_left + part * g.dilation_x;
        const int to = from + (length - 1) * g.stride_x + run;
        const int begin = std::max(0, from), end = std::min(input.width, to);
        if (begin < end) std::memset(row + begin, 1, end - begin);
      }
    }
    i += length;
  }
  list_pixels(input);
}

long Halo::capacity(const Mask& mask, const Geometry& g) {
  long rows = 0, columns = 0;
  for (int row = 0; row < mask.rows; row++)
    rows += static_cast<long>(mask.first_row(row + 1) - mask.first_row(row) - 1) * g.stride_y + g.kernel_height;
  for (int column = 0; column < mask.columns; column++)
    columns +=
        static_cast<long>(mask.first_column(column + 1) - mask.first_column(column) - 1) * g.stride_x +
        g.kernel_width;
  return mask.batch * rows * columns;
}

void fill_halo(const Mask& mask, const Region& region, Halo& halo) {
  halo.cells.clear();
  halo.first_tap.clear();
  halo.pitch.clear();
  halo.rows = 0;
  // Cells in their order; then, for each pixel in the region's order, its cell.
  thread_local std::vector<int32_t> cell_of;
  cell_of.assign(mask.cell_count(), -1);
  const auto of_image = static_cast<long>(mask.listed.size());
  for (long i = 0; i < mask.cell_count(); i++) {
    const long cell = of_image == 0 ? i : i - i % of_image + mask.listed[i % of_image];
    if (!mask.cells[cell]) continue;
    const int column = static_cast<int>(cell % mask.columns);
    const int row = static_cast<int>(cell / mask.columns % mask.rows);
    Halo::Cell c{};
    c.image = static_cast<int>(cell / mask.columns / mask.rows);
    c.top = mask.first_row(row) * halo.stride_y - halo.pad_top;
    c.left = mask.first_column(column) * halo.stride_x - halo.pad_left;
    c.height = (mask.first_row(row + 1) - mask.first_row(row) - 1) * halo.stride_y + halo.kernel_height;
    c.width = (mask.first_column(column + 1) - mask.first_column(column) - 1) * halo.stride_x + halo.kernel_width;
    c.offset = halo.rows;
    halo.rows += static_cast<long>(c.height) * c.width;
    cell_of[cell] = static_cast<int32_t>(halo.cells.size());
    halo.cells.push_back(c);
  }
  const long plane = static_cast<long>(mask.height) * mask.width;
  const long count = region.count();
  for (long i = 0; i < count; i++) {
    const long q = region.all ? i : region.pixels[i];
    const long n = q / plane;
    const int y = static_cast<int>(q % plane / mask.width), x = static_cast<int>(q % mask.width);
    const long row = static_cast<int64_t>(y) * mask.rows / mask.height;
    const long column = static_cast<int64_t>(x) * mask.columns / mask.width;
    const Halo::Cell& c = halo.cells[cell_of[(n * mask.rows + row) * mask.columns + column]];
    const int inner_y = y * halo.stride_y - halo.pad_top - c.top;
    const int inner_x = x * halo.stride_x - halo.pad_left - c.left;
    halo.first_tap.push_back(static_cast<int32_t>(c.offset + static_cast<long>(inner_y) * c.width + inner_x));
    halo.pitch.push_back(c.width);
  }
}

}  // namespace fovea
