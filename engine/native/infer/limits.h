// Every size by which the loops cut up their work. They decide by these, and `describe` counts by them.
#pragma once

namespace fovea {

// The register tile that an instruction set computes at a time, and that weights are packed for.
struct TileShape {
  const char* isa;
  int lanes;         // floats in a vector register
  int tile_rows;     // output rows of a tile
  int tile_vectors;  // vectors of output channels of a tile
};

// Best first.
constexpr TileShape tile_shapes[] = {
    {"avx512", 16, 14, 2},   // 28 of the 32 registers hold sums, 2 weights and 1 an input
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

// Output pixels that a thread works on at a time: their inputs stay in the second-level cache while every panel of
// weights passes by.
constexpr int block_pixels = 96;
// Input channels of a convolution that reads whole rows of its kernel at once, at most.
constexpr int few_channels = 4;
// Reduction steps of which the weights stay in the first-level cache: at 16 outputs of a panel, 16 KiB.
constexpr int reduction_steps = 256;
// Bytes after which addresses fall into the same set of a first-level cache, and lines that a set holds, at least.
constexpr long set_span = 4096;
constexpr int set_lines = 8;
// Panels that have to read copied rows to make up for the copy.
constexpr long copied_for_panels = 4;
// Values under a run of a depthwise convolution's pixels that stay in the first-level cache while every vector of
// channels passes by, and the fewest pixels of such a run.
constexpr long depthwise_values = 6 * 1024;
constexpr long depthwise_pixels = 4;

// Products by which Winograd's F(2x2, 3x3) makes a square of 2 x 2 outputs.
constexpr int products = 16;
// Fewest channels for which it is used.
constexpr int winograd_channels = 16;
// Transformed inputs that a thread works on at a time, in values: most of the second-level cache. And how many squares
// that may be.
constexpr long winograd_values = 96 * 1024;
constexpr long fewest_squares = 12, most_squares = 60;
// Reading a weight takes about as long as using it for so many pixels or squares; the transforms add a tenth.
constexpr double weight_reading = 30;
constexpr double square_cost = 1.1;

// Items that each thread should find, so that one which has been held up leaves some to the others; and the fewest rows
// of a block that is made for the sake of equal shares.
constexpr long items_of_thread = 4;
constexpr long few_rows = 24;
// Rows that one item of a row-by-row pass works on.
constexpr long chunk_rows = 64;
// Parts that a row of a grid is pooled in by several threads.
constexpr long pool_parts = 4;

// Bytes of a map that a band may hold: with weights beside them, about one second-level cache.
constexpr long band_bytes = 192 * 1024;
// Convolutions that run band by band.
constexpr int most_streamed = 4;

}  // namespace limits

}  // namespace fovea
