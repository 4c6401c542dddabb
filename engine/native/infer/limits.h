// All sizes that determine how the loops divide their work. The loops and `describe` both read them.
#pragma once

namespace fovea {

// The register tile of an instruction set: computed at a time, and the shape that weights are packed for.
struct TileShape {
  const char* isa;
  int lanes;         // floats in a vector register
  int tile_rows;     // output rows of a tile
  int tile_vectors;  // vectors of output channels of a tile
};

// Best first.
constexpr TileShape tile_shapes[] = {
    {"avx512", 16, 12, 2},   // 24 of the 32 registers hold sums; pointers to more rows do not fit the others
    {"avx2", 8, 6, 2},       // 12 of the 16 hold sums, 2 weights and 1 an input
    {"neon", 4, 6, 4},       // 24 of the 32 hold sums, 4 weights and 1 an input
    {"portable", 4, 4, 2},   // leaves room for weights in the 16 registers of plain SSE2
};

constexpr bool same_text(const char* a, const char* b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

// Null for a name that is not in the table.
constexpr const TileShape* find_tile_shape(const char* isa) {
  for (const TileShape& shape : tile_shapes)
    if (same_text(shape.isa, isa)) return &shape;
  return nullptr;
}

constexpr int most_of_tiles(int TileShape::* size) {
  int most = 0;
  for (const TileShape& shape : tile_shapes)
    if (shape.*size > most) most = shape.*size;
  return most;
}

constexpr int max_tile_rows = most_of_tiles(&TileShape::tile_rows);
constexpr int max_tile_vectors = most_of_tiles(&TileShape::tile_vectors);

namespace limits {

// Output pixels that a thread works on at a time: their inputs stay in the second-level cache while it goes through
// the panels of weights.
constexpr int block_pixels = 96;
// Most input channels of a convolution that reads whole kernel rows at once.
constexpr int few_channels = 4;
// Reduction steps whose weights stay in the first-level cache: 16 KiB for a panel of 16 outputs.
constexpr int reduction_steps = 256;
// Addresses this many bytes apart fall into the same set of a first-level cache. Then the fewest lines that a set holds.
constexpr long set_span = 4096;
constexpr int set_lines = 8;
// Fewest panels that make a copy of their rows worth while.
constexpr long copied_for_panels = 4;
// Input values of a run of pixels of a depthwise convolution: they stay in a core's caches while the loop goes through
// the vectors of channels. A run has a multiple of so many pixels, which the kernels sum at once.
constexpr long depthwise_values = 12 * 1024;
constexpr long depthwise_pixels = 8;
// Values of a depthwise layer whose pixels are taken in pairs, and the pixels of a run from which copying them costs less
// than it saves.
constexpr long paired_values = 2048, paired_pixels = 16;
// Half a vector is left over in each pixel: two that lie beside each other, at stride 1, are one of twice the channels.
constexpr bool pairs_pixels(long channels, long lanes, long taps, long pixel_pitch) {
  return channels % lanes * 2 == lanes && pixel_pitch == channels && (taps + 2) * 2 * channels <= paired_values;
}

// Products that Winograd's F(2x2, 3x3) needs for a square of 2 x 2 outputs.
constexpr int products = 16;
// Fewest channels for which it is used.
constexpr int winograd_channels = 16;
// Transformed input values that a thread works on at a time, which fill most of the second-level cache; then the
// bounds on how many squares that is.
constexpr long winograd_values = 96 * 1024;
constexpr long fewest_squares = 12, most_squares = 60;
// Reading a weight takes about as long as using it for this many pixels or squares; the transforms add a tenth.
constexpr double weight_reading = 30;
constexpr double square_cost = 1.1;

// Items per thread, so that others can take over from a thread that is delayed; then the fewest rows of a block that
// is made smaller to give equal shares.
constexpr long items_of_thread = 4;
constexpr long few_rows = 24;
// Rows of one item of a row-by-row pass.
constexpr long chunk_rows = 64;
// Parts that a grid row is split into when several threads pool it.
constexpr long pool_parts = 4;

// Most tiles of queries that a thread works on at a time, and the scores of these that fit half a second-level cache.
constexpr long attended_tiles = 4;
constexpr long attended_values = 64 * 1024;

// Most bytes of a map in one band: together with weights, about one second-level cache.
constexpr long band_bytes = 192 * 1024;
// Threads compute parts of a stream on their own where the one with the most to do has at most so many times its share:
// rows at the border of two parts are computed twice.
constexpr double most_repeated = 1.12;
// Most convolutions that run band by band together: a whole branch, as long as the engine takes it.
constexpr int most_streamed = 8;

}  // namespace limits

}  // namespace fovea
