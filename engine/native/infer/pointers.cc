#include "infer/pointers.h"

#include <algorithm>

namespace fovea {

namespace {

using Form = PackedConvolution::Form;

// Row 0 of a padded source is where the kernel of the first output pixel starts.
int top_of(const ConvolutionPass& pass, int y) {
  const Geometry& g = pass.convolution->geometry;
  return y * g.stride_y - (pass.convolution->form == Form::rows ? 0 : g.pad_top);
}

int left_of(const ConvolutionPass& pass, int x) {
  const Geometry& g = pass.convolution->geometry;
  return x * g.stride_x - (pass.convolution->form == Form::rows ? 0 : g.pad_left);
}

// Steps through the rows in a scratch's taps: [tiles][taps][rows of the tile].
class TilePlaces {
 public:
  TilePlaces(const TileRuns& runs, int taps, const float** first) : runs_(runs), taps_(taps), tile_(first) {}

  const float** place() const { return tile_ + row_; }
  long pitch() const { return runs_.runs[run_].rows; }
  void next() {
    if (++row_ < runs_.runs[run_].rows) return;
    row_ = 0;
    tile_ += static_cast<long>(taps_) * runs_.runs[run_].rows;
    if (++tiles_ < runs_.runs[run_].tiles) return;
    tiles_ = 0;
    run_++;
  }

 private:
  const TileRuns& runs_;
  const int taps_;
  const float** tile_;
  int run_ = 0, tiles_ = 0, row_ = 0;
};

// For a single tap tiles of any height are contiguous.
void point_rows(const ConvolutionPass& pass, long first, long count, const float** taps) {
  const long channels = pass.input.channels;
  const bool packed = pass.source_layout == Layout::packed;
  for (long i = first; i < first + count; i++)
    *taps++ = pass.source + (packed || !pass.pixels ? i : pass.pixels[i]) * channels;
}

}  // namespace

void PixelWalk::seek(long i) {
  index = i;
  pixel = pass_.pixels ? pass_.pixels[i] : i;
  const Extent& map = pass_.output;
  x = static_cast<int>(pixel % map.width);
  const long row = pixel / map.width;
  y = static_cast<int>(row % map.height);
  image = static_cast<int>(row / map.height);
}

long pixels_inside(const ConvolutionPass& pass, const PixelWalk& at, long most) {
  const Geometry& g = pass.convolution->geometry;
  const int top = top_of(pass, at.y), bottom = top + (g.kernel_height - 1) * g.dilation_y;
  const int left = left_of(pass, at.x), reach = (g.kernel_width - 1) * g.dilation_x;
  if (top < 0 || bottom >= pass.input.height || left < 0 || left + reach >= pass.input.width) return 0;
  const long inside = (pass.input.width - 1 - reach - left) / g.stride_x + 1;
  most = std::min({most, inside, static_cast<long>(pass.output.width - at.x)});
  if (!pass.pixels) return most;
  long count = 1;
  while (count < most && pass.pixels[at.index + count] == at.pixel + count) count++;
  return count;
}

const float* first_tap(const ConvolutionPass& pass, const PixelWalk& at) {
  const long row = static_cast<long>(at.image) * pass.input.height + top_of(pass, at.y);
  return pass.source + (row * pass.input.width + left_of(pass, at.x)) * pass.input.channels;
}

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
  // Near the border of the map; a padded source has none.
  const long row_values = pass.input.width * channels;
  const float* image = pass.source + static_cast<long>(at.image) * pass.input.height * row_values;
  const int top = top_of(pass, at.y), left = left_of(pass, at.x);
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

void point_tiles(const ConvolutionPass& pass, long first_pixel, const TileRuns& runs, const float* zeros,
                 Scratch& scratch) {
  const PackedConvolution& convolution = *pass.convolution;
  const Geometry& g = convolution.geometry;
  const long count = runs.rows();
  const long end = first_pixel + count;
  const long output_channels = pass.output.channels;
  const bool packed = pass.destination_layout != Layout::map;
  for (long i = first_pixel; i < end; i++) {
    const long pixel = pass.pixels ? pass.pixels[i] : i;
    scratch.outputs[i - first_pixel] = pass.destination + (packed ? i : pixel) * output_channels;
    if (pass.residual) scratch.residuals[i - first_pixel] = pass.residual + pixel * output_channels;
  }
  if (pass.source_layout == Layout::packed || (pass.source_layout == Layout::map && g.pointwise()))
    return point_rows(pass, first_pixel, count, scratch.taps.data());

  // Where every tap is inside the map, the distances between taps do not depend on the pixel.
  const long channels = pass.input.channels;
  const int columns = convolution.form == Form::rows ? 1 : g.kernel_width;
  long* distance = scratch.distances.data();
  for (int ky = 0; ky < g.kernel_height; ky++)
    for (int kx = 0; kx < columns; kx++)
      *distance++ = (static_cast<long>(ky) * g.dilation_y * pass.input.width + kx * g.dilation_x) * channels;
  const long* distances = scratch.distances.data();
  TilePlaces places(runs, convolution.taps, scratch.taps.data());
  PixelWalk at(pass, first_pixel);
  while (at.index < end) {
    const long inside = pass.source_layout == Layout::map ? pixels_inside(pass, at, end - at.index) : 0;
    if (inside == 0) {
      point_taps(pass, at, zeros, places.place(), places.pitch());
      places.next();
      at.next();
      continue;
    }
    const float* first = first_tap(pass, at);
    for (long i = 0; i < inside; i++, first += g.stride_x * channels, places.next()) {
      const float** place = places.place();
      const long pitch = places.pitch();
      for (int t = 0; t < convolution.taps; t++) place[t * pitch] = first + distances[t];
    }
    at.advance(inside);
  }
}

}  // namespace fovea
