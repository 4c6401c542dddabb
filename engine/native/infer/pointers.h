// Computes the addresses of a pass's output pixels and of the input pixels under their kernels.
#pragma once
#include "infer/convolve.h"

namespace fovea {

// Iterates over the output pixels of a pass, with the image, row and column of each.
class PixelWalk {
 public:
  PixelWalk(const ConvolutionPass& pass, long first) : pass_(pass) { seek(first); }

  void next() { advance(1); }
  // Skips `count` consecutive pixels of this row.
  void advance(long count) {
    index += count;
    if (index >= pass_.count) return;
    const long following = pass_.pixels ? pass_.pixels[index] : index;
    if (following == pixel + count && x + count < pass_.output.width) {
      pixel = following;
      x += static_cast<int>(count);
    } else {
      seek(index);
    }
  }

  long index, pixel;
  int image, y, x;

 private:
  void seek(long i);

  const ConvolutionPass& pass_;
};

// How many consecutive pixels of the row, from the walk's position and at most `most`, have every tap inside the map;
// 0 when the first has a tap outside.
long pixels_inside(const ConvolutionPass& pass, const PixelWalk& at, long most);

// The upper left tap of an output pixel whose taps are all inside the map.
const float* first_tap(const ConvolutionPass& pass, const PixelWalk& at);

// Writes the pointers of one output pixel's taps, `pitch` apart; those outside the map point to `zeros`.
void point_taps(const ConvolutionPass& pass, const PixelWalk& at, const float* zeros, const float** taps, long pitch);

float* output_row(const ConvolutionPass& pass, const PixelWalk& at);

// Fills `scratch` with the outputs, the residuals and, tile by tile, the taps of the pixels from `first_pixel` on.
void point_tiles(const ConvolutionPass& pass, long first_pixel, const TileRuns& runs, const float* zeros,
                 Scratch& scratch);

}  // namespace fovea
