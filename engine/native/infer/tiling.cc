#include "infer/tiling.h"

#include <algorithm>

#include "infer/region.h"

namespace fovea {

namespace {

// Adds the squares of pixels [first, count) of the pass. `pixel_at(i)` is the index in the map of pixel i, ascending.
template <class PixelAt>
void fill(int height, int width, long first, long count, PixelAt pixel_at, Tiling& tiling) {
  while (first < count) {
    const long row = pixel_at(first) / width;
    const long image = row / height;
    const long top = image * height + (row - image * height) / 2 * 2;
    const long below = std::min(top + 1, (image + 1) * height - 1);
    // Upper pixels are [a, middle), lower ones [b, last).
    const auto row_end = [&](long from, long map_row) {
      while (from < count && pixel_at(from) < (map_row + 1) * width) from++;
      return from;
    };
    const long middle = row_end(first, top);
    const long last = row_end(middle, below);
    const auto column = [&](long i, long end) {
      return i < end ? static_cast<int32_t>(pixel_at(i) % width) : width;
    };
    int32_t x_above = column(first, middle), x_below = column(middle, last);
    for (long a = first, b = middle; a < middle || b < last;) {
      const int32_t left = std::min(x_above, x_below) & ~1;
      Square square{static_cast<int32_t>(image), static_cast<int32_t>(top - image * height), left, {-1, -1, -1, -1}};
      for (; x_above <= left + 1 && a < middle; x_above = column(a, middle))
        square.index[x_above & 1] = static_cast<int32_t>(a++);
      for (; x_below <= left + 1 && b < last; x_below = column(b, last))
        square.index[2 + (x_below & 1)] = static_cast<int32_t>(b++);
      tiling.squares.push_back(square);
    }
    first = last;
  }
}

}  // namespace

void Tiling::reserve(const Extent& map) {
  squares.reserve(static_cast<size_t>(map.batch) * ((map.height + 1) / 2) * ((map.width + 1) / 2));
}

long Tiling::square_of(long pixel_index) const {
  return std::partition_point(squares.begin(), squares.end(),
                              [&](const Square& square) { return square.first_index() < pixel_index; }) -
         squares.begin();
}

void fill_tiling(const Extent& map, Tiling& tiling) {
  tiling.squares.clear();
  tiling.pixels = map.pixels();
  fill(map.height, map.width, 0, map.pixels(), [](long i) { return i; }, tiling);
}

void fill_tiling(const Region& region, Tiling& tiling) {
  if (region.all) return fill_tiling(Extent{region.batch, region.height, region.width, 1}, tiling);
  tiling.squares.clear();
  tiling.pixels = region.count();
  const auto listed = [&](long i) { return static_cast<long>(region.pixels[i]); };
  if (!region.by_cells) return fill(region.height, region.width, 0, region.count(), listed, tiling);
  // A square that two cells share is computed once for each: their pixels are not together in the list.
  long first = 0;
  for (const int32_t end : region.cell_ends) {
    fill(region.height, region.width, first, end, listed, tiling);
    first = end;
  }
}

}  // namespace fovea
