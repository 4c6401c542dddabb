// How passes that run band by band are cut: into parts that threads compute on their own, and into bands.
#pragma once
#include <array>
#include <vector>

#include "infer/convolve.h"

namespace fovea {

using limits::most_streamed;

// Rows of memory that one pass has written and the next is still to read.
struct Kept {
  long first, end;
};

// A stretch of a stream's last pass, and what the passes before it compute for that. It goes from band to band.
class StreamPart {
 public:
  // `last_pixels`: of the last pass; they begin and end at the border of two bands.
  StreamPart(const ConvolutionPass* passes, int count, Range last_pixels, long bands);

  // Goes to the next band; false after the last.
  bool next();
  bool is_first() const { return band_ == 0; }

  // Pixels of pass `i` that this band computes.
  Range pixels(int i) const { return {done_[i], end_[i]}; }
  // Rows written by pass `i` before this band that pass `i + 1` is still to read.
  Kept kept(int i) const;
  // The first row of memory that pass `i` writes in this part.
  long first_row(int i) const { return first_row_[i]; }
  // Rows of memory that pass `i` has filled at the end of this band.
  long end_row(int i) const;

 private:
  const ConvolutionPass* passes_;
  int count_;
  Range last_pixels_;
  long bands_;
  long band_ = -1;
  long first_row_[most_streamed] = {};
  // Pixels of each pass that are computed before this band and at its end.
  long done_[most_streamed] = {}, end_[most_streamed] = {};
};

// Rows of memory of the map that a stream reads and writes over, around the border of two parts: each part would find
// some that the other has written, so both read a copy there.
struct Border {
  long first, end;
};

// Parts that are computed at the same time, one a thread, and bands of each. A single part is shared by all threads,
// pass by pass.
struct StreamPlan {
  StreamPlan(long of_parts, long of_bands) : parts(of_parts), bands(of_bands) {}

  long parts, bands;
  // Of each part, which pixels pass `i` computes for it and where in the buffer between passes `i` and `i + 1` its rows are
  // kept; empty for a single part.
  std::vector<std::array<Range, most_streamed>> computed;
  std::vector<std::array<long, most_streamed>> offsets;
  // Of a stream that writes over what it reads: the borders between its parts, and of each part the pixels of the first
  // pass that read the map itself, not a border.
  std::vector<Border> borders;
  std::vector<Range> inner;

  Range pixels(const ConvolutionPass& last, long part) const;
  // Calls body(pixels) for pixels of pass `i` that two parts compute.
  template <class Body>
  void repeated(int i, Body body) const {
    for (size_t t = 1; t < computed.size(); t++)
      if (computed[t - 1][i].last > computed[t][i].first) body(Range{computed[t][i].first, computed[t - 1][i].last});
  }
};

// `threads` and the pixels of a band, or 0, as a `Machine` has them; `in_place`: the last pass writes over the map that
// the first one reads.
StreamPlan plan_stream(int threads, long band_pixels, const ConvolutionPass* passes, int count, bool in_place);

// Calls body(pixels, border) for pixels of a part's first pass: those that read the border before the part (0), the map
// itself (1) and the border after it (2).
template <class Body>
void by_border(const StreamPlan& plan, long part, Range pixels, Body body) {
  if (plan.borders.empty()) return body(pixels, 1);
  const Range inner = plan.inner[part];
  const Range pieces[] = {{pixels.first, std::min(pixels.last, inner.first)},
                          {std::max(pixels.first, inner.first), std::min(pixels.last, inner.last)},
                          {std::max(pixels.first, inner.last), pixels.last}};
  for (int i = 0; i < 3; i++)
    if (pieces[i].first < pieces[i].last) body(pieces[i], i);
}

// How many bands `pixels` make if the session sets the pixels of a band; 0 if it does not.
inline long wanted_bands(long band_pixels, long pixels) {
  return band_pixels == 0 ? 0 : (pixels + band_pixels - 1) / band_pixels;
}

// Passes in squares compute two rows at a time.
long aligned(const ConvolutionPass& pass, long end);

// Bytes of all weights of a stream.
double stream_weights(const ConvolutionPass* passes, int count);

}  // namespace fovea
