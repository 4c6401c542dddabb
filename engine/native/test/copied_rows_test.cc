// Which convolutions copy their rows, and that the copies hold what the rows did, apart.
#include "infer/copied_rows.h"

#include <cstring>

#include "test/unit_test.h"

namespace fovea::test {

namespace {

PackedConvolution pointwise(int in_channels, int stride, int groups = 1) {
  Geometry g{};
  g.in_channels = in_channels;
  g.out_channels = 256;
  g.kernel_height = g.kernel_width = 1;
  g.stride_y = g.stride_x = stride;
  g.dilation_y = g.dilation_x = 1;
  g.groups = groups;
  return outline(g, {}, *find_tile_shape("avx512"));
}

constexpr int tile_rows = 14;

}  // namespace

TEST("rows are copied where a tile's would share a cache set, and enough of it is read") {
  const long panels = limits::copied_for_panels, rows = 49;
  expect(copies_rows(pointwise(1024, 1), rows, panels, tile_rows), "1,024 channels");
  expect(copies_rows(pointwise(512, 2), rows, panels, tile_rows), "512 channels, stride 2");
  expect(!copies_rows(pointwise(512, 1), rows, panels, tile_rows), "512 channels");
  expect(!copies_rows(pointwise(1040, 1), rows, panels, tile_rows), "1,040 channels");
  expect(!copies_rows(pointwise(1024, 1, 4), rows, panels, tile_rows), "groups");
  expect(!copies_rows(pointwise(1024, 1), limits::set_lines, panels, tile_rows), "as many rows as a set holds");
  expect(!copies_rows(pointwise(1024, 1), rows, panels - 1, tile_rows), "few panels");
  expect(!copies_rows(pointwise(1024, 1), rows, panels, limits::set_lines), "small tiles");
  expect(copied_values(pointwise(1040, 1), tile_rows) == 0, "no room is kept for what is never copied");
}

TEST("copies hold the rows' values, no two in one cache set") {
  const PackedConvolution convolution = pointwise(1024, 1);
  constexpr int count = 12;
  Numbers numbers(5);
  std::vector<std::vector<float>> rows;
  Scratch scratch;
  scratch.rows = AlignedFloats(static_cast<size_t>(copied_values(convolution, tile_rows)));
  for (int row = 0; row < count; row++) {
    rows.push_back(numbers.values(convolution.channels));
    scratch.taps.push_back(rows.back().data());
  }
  copy_rows(convolution, count, scratch);
  for (int row = 0; row < count; row++) {
    const float* copy = scratch.taps[static_cast<size_t>(row)];
    expect(std::memcmp(copy, rows[static_cast<size_t>(row)].data(), sizeof(float) * 1024) == 0, "other values");
    for (int other = 0; other < row; other++) {
      const auto apart = reinterpret_cast<const char*>(copy) -
                         reinterpret_cast<const char*>(scratch.taps[static_cast<size_t>(other)]);
      expect(apart % limits::set_span != 0, "two copies in one set");
    }
  }
}

}  // namespace fovea::test
