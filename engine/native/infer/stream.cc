#include "infer/stream.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "infer/winograd.h"

namespace fovea {

namespace {

// How many of `writer`'s pixels must be done before `reader` can compute its first `end` ones.
long pixels_read(const ConvolutionPass& reader, long end, const ConvolutionPass& writer) {
  if (end == reader.count) return writer.count;
  if (reader.source_layout == Layout::packed) return end;
  const Geometry& g = reader.convolution->geometry;
  const long last = reader.pixels ? reader.pixels[end - 1] : end - 1;
  const long row = last / reader.output.width;
  const long image = row / reader.output.height;
  const long y = row % reader.output.height * g.stride_y - g.pad_top + (g.kernel_height - 1) * g.dilation_y;
  // To the end of the lowest row read: pixels before the last one may reach further to the right.
  const long lowest = image * reader.input.height + std::min<long>(std::max<long>(y, 0), reader.input.height - 1);
  const long bound = (lowest + 1) * reader.input.width;
  if (!writer.pixels) return std::min(bound, writer.count);
  return std::lower_bound(writer.pixels, writer.pixels + writer.count, bound) - writer.pixels;
}

// Passes in squares are computed two rows at a time.
long aligned(const ConvolutionPass& pass, long end) { return pass.tiling ? winograd_align(pass, end) : end; }

// The first of `writer`'s rows, in the order in which they lie in memory, that `reader` reads when it goes on with its
// pixel `done`.
long first_row_read(const ConvolutionPass& reader, long done) {
  if (reader.source_layout == Layout::packed) return done;
  const Geometry& g = reader.convolution->geometry;
  const long row = (reader.pixels ? reader.pixels[done] : done) / reader.output.width;
  const long image = row / reader.output.height;
  long y = row % reader.output.height;
  if (reader.tiling) y -= y % 2;
  return (image * reader.input.height + std::max<long>(0, y * g.stride_y - g.pad_top)) * reader.input.width;
}

// How many of the rows of memory `writer` has filled once its first `done` pixels are computed.
long rows_written(const ConvolutionPass& writer, long done) {
  if (done == 0 || writer.destination_layout == Layout::packed || !writer.pixels) return done;
  return writer.pixels[done - 1] + 1;
}

// What a pass of a stream writes for the next one: only the rows that are still to be read, at the beginning of its
// buffer, so that a band writes to lines of the cache that the one before it has used.
class Intermediate {
 public:
  Intermediate() = default;
  explicit Intermediate(const ConvolutionPass& writer)
      : buffer_(writer.destination), channels_(writer.output.channels) {}

  // Makes room after the rows that `reader` still needs, and points both passes to where row 0 would lie.
  void advance(ConvolutionPass& writer, long written, ConvolutionPass& reader, long read) {
    const long end = rows_written(writer, written);
    const long first = read < reader.count ? std::min(first_row_read(reader, read), end) : end;
    if (first > first_) {
      std::memmove(buffer_, buffer_ + (first - first_) * channels_, (end - first) * channels_ * sizeof(float));
      first_ = first;
    }
    writer.destination = buffer_ - first_ * channels_;
    reader.source = writer.destination;
  }

 private:
  float* buffer_ = nullptr;
  long channels_ = 0;
  long first_ = 0;
};

// How many bands keep the intermediates in cache, unless the session says how small they are. Every band after the
// first reads the weights again, and must not read more of them than it spares of intermediates, which are written and
// read.
long bands_of(const Machine& machine, const ConvolutionPass* passes, int count) {
  if (const long wanted = wanted_bands(machine, passes[count - 1].count)) return wanted;
  double intermediate_bytes = 0, weight_bytes = 0;
  for (int i = 0; i < count; i++) {
    weight_bytes += static_cast<double>(passes[i].weight_bytes());
    if (i + 1 < count)
      intermediate_bytes += 4.0 * passes[i].output.channels * static_cast<double>(passes[i].count);
  }
  const double fitting = std::ceil(intermediate_bytes / static_cast<double>(machine.threads * band_bytes));
  const double paying = 1 + 2 * intermediate_bytes / weight_bytes;
  const long most = (passes[count - 1].count + block_pixels - 1) / block_pixels;
  return std::clamp<long>(static_cast<long>(std::min(fitting, paying)), 1, std::max(1L, most));
}

}  // namespace

long final_pixels(const int32_t* pixels, long count, long done, long map_pixels) {
  if (done >= count) return map_pixels;
  return pixels ? pixels[done] : done;
}

void stream_pooled(const Machine& machine, const GridPool& pool, const ConvolutionPass& pass) {
  const long map_bytes = 4 * pool.input.values();
  const long wanted = wanted_bands(machine, pool.input.pixels());
  const long fitting = wanted > 0 ? wanted : map_bytes / (machine.threads * band_bytes);
  const long bands = std::clamp<long>(fitting, 1, pool.grid_rows());
  long done = 0;
  for (long b = 0; b < bands; b++) {
    pool_rows(machine, pool, pool.grid_rows() * b / bands, pool.grid_rows() * (b + 1) / bands);
    // As far as the rows that have just been pooled reach; a convolution of a stride has fewer pixels there.
    const long pooled = pool.pixels_read(pool.grid_rows() * (b + 1) / bands);
    const double share = static_cast<double>(pooled) / static_cast<double>(pool.input.pixels());
    const long end =
        b + 1 == bands ? pass.count : aligned(pass, static_cast<long>(share * static_cast<double>(pass.count)));
    convolve_range(machine, pass, done, end);
    done = std::max(done, end);
  }
}

void stream(const Machine& machine, ConvolutionPass* passes, int count, FollowingPool* pool) {
  const ConvolutionPass& last = passes[count - 1];
  const long bands = bands_of(machine, passes, count);
  long done[most_streamed] = {};
  Intermediate intermediates[most_streamed];
  for (int i = 0; i + 1 < count; i++) intermediates[i] = Intermediate(passes[i]);
  for (long b = 0; b < bands; b++) {
    long end[most_streamed];
    end[count - 1] = aligned(last, last.count * (b + 1) / bands);
    for (int i = count - 2; i >= 0; i--)
      end[i] = end[i + 1] == 0 ? 0 : aligned(passes[i], pixels_read(passes[i + 1], end[i + 1], passes[i]));
    if (b > 0)
      for (int i = 0; i + 1 < count; i++) intermediates[i].advance(passes[i], done[i], passes[i + 1], done[i + 1]);
    for (int i = 0; i < count; i++) {
      convolve_range(machine, passes[i], done[i], end[i]);
      done[i] = std::max(done[i], end[i]);
    }
    if (pool) pool->advance(final_pixels(last.pixels, last.count, done[count - 1], last.output.pixels()));
  }
}

}  // namespace fovea
