#include "infer/copied_rows.h"

#include <cstring>

namespace fovea {

namespace {

constexpr long line_values = 16;

// From one copy to the next: a line more than a row has.
long pitch_of(const PackedConvolution& convolution) { return convolution.channels + line_values; }

// Of a single tap, whose rows are a multiple of the span apart.
bool collides(const PackedConvolution& convolution, int tile_rows) {
  const Geometry& g = convolution.geometry;
  const long pitch = static_cast<long>(sizeof(float)) * g.stride_x * g.in_channels;
  return convolution.form == PackedConvolution::Form::taps && convolution.taps == 1 && convolution.spans() == 1 &&
         pitch % limits::set_span == 0 && tile_rows > limits::set_lines;
}

}  // namespace

bool copies_rows(const PackedConvolution& convolution, long rows, long panels, int tile_rows) {
  return rows > limits::set_lines && panels >= limits::copied_for_panels && collides(convolution, tile_rows);
}

long copied_values(const PackedConvolution& convolution, int tile_rows) {
  return collides(convolution, tile_rows) ? limits::block_pixels * pitch_of(convolution) : 0;
}

void copy_rows(const PackedConvolution& convolution, int count, Scratch& scratch) {
  const long pitch = pitch_of(convolution);
  float* copy = scratch.rows.data();
  for (int row = 0; row < count; row++, copy += pitch) {
    std::memcpy(copy, scratch.taps[row], sizeof(float) * static_cast<size_t>(convolution.channels));
    scratch.taps[row] = copy;
  }
}

}  // namespace fovea
