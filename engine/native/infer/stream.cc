#include "infer/stream.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "infer/describe.h"
#include "infer/winograd.h"

namespace fovea {

namespace {

// How many pixels `writer` must have computed before `reader` can compute its first `end` pixels.
long pixels_read(const ConvolutionPass& reader, long end, const ConvolutionPass& writer) {
  if (end == reader.count) return writer.count;
  if (reader.source_layout == Layout::packed) return end;
  const Geometry& g = reader.convolution->geometry;
  const long row = reader.place(end - 1) / reader.output.width;
  const long image = row / reader.output.height;
  const long y = row % reader.output.height * g.stride_y - g.pad_top + (g.kernel_height - 1) * g.dilation_y;
  // Up to the end of the lowest row that is read: earlier pixels may reach further to the right.
  const long lowest = image * reader.input.height + std::min<long>(std::max<long>(y, 0), reader.input.height - 1);
  return writer.before((lowest + 1) * reader.input.width);
}

// Passes in squares compute two rows at a time.
long aligned(const ConvolutionPass& pass, long end) { return pass.squares > 0 ? winograd_align(pass, end) : end; }

// The first row of `writer`, in memory order, that `reader` reads when it continues with its pixel `done`.
long first_row_read(const ConvolutionPass& reader, long done) {
  if (reader.source_layout == Layout::packed) return done;
  const Geometry& g = reader.convolution->geometry;
  const long row = reader.place(done) / reader.output.width;
  const long image = row / reader.output.height;
  long y = row % reader.output.height;
  if (reader.squares > 0) y -= y % 2;
  return (image * reader.input.height + std::max<long>(0, y * g.stride_y - g.pad_top)) * reader.input.width;
}

// How many rows of memory `writer` has filled once its first `done` pixels are computed.
long rows_written(const ConvolutionPass& writer, long done) {
  if (done == 0 || writer.destination_layout == Layout::packed) return done;
  return writer.place(done - 1) + 1;
}

// Those rows filled by `writer` that are still to be read, in memory order.
struct Kept {
  long first, end;
};

Kept rows_kept(const ConvolutionPass& writer, long written, const ConvolutionPass& reader, long read) {
  const long end = rows_written(writer, written);
  return {read < reader.count ? std::min(first_row_read(reader, read), end) : end, end};
}

// What a pass of a stream writes for the next one. Only rows that are still to be read are kept, at the start of the
// buffer, so that each band writes to cache lines that the band before it used.
class Intermediate {
 public:
  Intermediate() = default;
  explicit Intermediate(const ConvolutionPass& writer)
      : buffer_(writer.destination), channels_(writer.output.channels) {}

  // Moves the rows that `reader` still needs to the front, and points both passes to where row 0 would be.
  void advance(ConvolutionPass& writer, Kept kept, ConvolutionPass& reader) {
    if (kept.first > first_) {
      std::memmove(buffer_, buffer_ + (kept.first - first_) * channels_,
                   (kept.end - kept.first) * channels_ * sizeof(float));
      first_ = kept.first;
    }
    writer.destination = buffer_ - first_ * channels_;
    reader.source = writer.destination;
  }

 private:
  float* buffer_ = nullptr;
  long channels_ = 0;
  long first_ = 0;
};

// Bytes of weights and intermediates, which determine the number of bands of a stream.
struct StreamBytes {
  double intermediates = 0, weights = 0;

  StreamBytes(const ConvolutionPass* passes, int count) {
    for (int i = 0; i < count; i++) {
      weights += static_cast<double>(passes[i].weight_bytes());
      if (i + 1 < count) intermediates += 4.0 * passes[i].output.channels * static_cast<double>(passes[i].count);
    }
  }
};

// How many bands keep the intermediates in cache, unless the session sets the size of a band. Every band after the
// first reads the weights again, which must not be more bytes than it saves by keeping intermediates (each written and
// read once) in cache.
long bands_of(int threads, long band_pixels, const ConvolutionPass* passes, int count) {
  const ConvolutionPass& last = passes[count - 1];
  if (const long wanted = wanted_bands(band_pixels, last.count)) return wanted;
  const StreamBytes bytes(passes, count);
  const double fitting = std::ceil(bytes.intermediates / static_cast<double>(threads * limits::band_bytes));
  const double paying = 1 + 2 * bytes.intermediates / bytes.weights;
  const long most = (last.count + limits::block_pixels - 1) / limits::block_pixels;
  return std::clamp<long>(static_cast<long>(std::min(fitting, paying)), 1, std::max(1L, most));
}

// How many pixels each pass of a stream must have computed at the end of band `b`.
void ends_of_band(const ConvolutionPass* passes, int count, long b, long bands, long* end) {
  const ConvolutionPass& last = passes[count - 1];
  end[count - 1] = aligned(last, last.count * (b + 1) / bands);
  for (int i = count - 2; i >= 0; i--)
    end[i] = end[i + 1] == 0 ? 0 : aligned(passes[i], pixels_read(passes[i + 1], end[i + 1], passes[i]));
}

// Bands of a pool and a convolution that read the same map, and how many pixels the convolution must have computed at
// the end of band `b`.
long pooled_bands(int threads, long band_pixels, const GridPool& pool) {
  const long wanted = wanted_bands(band_pixels, pool.input.pixels());
  const long fitting = wanted > 0 ? wanted : 4 * pool.input.values() / (threads * limits::band_bytes);
  return std::clamp<long>(fitting, 1, pool.grid_rows());
}

// Up to the rows that have just been pooled; a strided convolution has fewer pixels there.
long pooled_end(const GridPool& pool, const ConvolutionPass& pass, long b, long bands) {
  if (b + 1 == bands) return pass.count;
  const long pooled = pool.pixels_read(pool.grid_rows() * (b + 1) / bands);
  const double share = static_cast<double>(pooled) / static_cast<double>(pool.input.pixels());
  return aligned(pass, static_cast<long>(share * static_cast<double>(pass.count)));
}

}  // namespace

long added_bands(int threads, long band_pixels, long rows, long channels) {
  const long wanted = wanted_bands(band_pixels, rows);
  return wanted > 0 ? wanted : std::max(1L, 4 * rows * channels / (threads * limits::band_bytes));
}

long final_pixels(const int32_t* pixels, long count, long done, long map_pixels) {
  if (done >= count) return map_pixels;
  return pixels ? pixels[done] : done;
}

void stream_pooled(const Machine& machine, const GridPool& pool, const ConvolutionPass& pass) {
  const long bands = pooled_bands(machine.threads, machine.band_pixels, pool);
  long done = 0;
  for (long b = 0; b < bands; b++) {
    pool_rows(machine, pool, pool.grid_rows() * b / bands, pool.grid_rows() * (b + 1) / bands);
    const long end = pooled_end(pool, pass, b, bands);
    convolve_range(machine, pass, done, end);
    done = std::max(done, end);
  }
}

void stream(const Machine& machine, ConvolutionPass* passes, int count, FollowingPool* pool) {
  const ConvolutionPass& last = passes[count - 1];
  const long bands = bands_of(machine.threads, machine.band_pixels, passes, count);
  long done[most_streamed] = {};
  Intermediate intermediates[most_streamed];
  for (int i = 0; i + 1 < count; i++) intermediates[i] = Intermediate(passes[i]);
  for (long b = 0; b < bands; b++) {
    long end[most_streamed];
    ends_of_band(passes, count, b, bands, end);
    if (b > 0) {
      for (int i = 0; i + 1 < count; i++)
        intermediates[i].advance(passes[i], rows_kept(passes[i], done[i], passes[i + 1], done[i + 1]), passes[i + 1]);
    }
    for (int i = 0; i < count; i++) {
      convolve_range(machine, passes[i], done[i], end[i]);
      done[i] = std::max(done[i], end[i]);
    }
    if (pool) pool->advance(final_pixels(last.pixels, last.count, done[count - 1], last.output.pixels()));
  }
}

namespace {

// The same loop, counted; `carried`: bytes of the rows that bands pass on.
void count_bands(const DescribeSetting& setting, const ConvolutionPass* passes, int count, long bands,
                 PassWork* works, double* carried) {
  long done[most_streamed] = {};
  for (long b = 0; b < bands; b++) {
    long end[most_streamed];
    ends_of_band(passes, count, b, bands, end);
    for (int i = 0; b > 0 && i + 1 < count; i++) {
      const Kept kept = rows_kept(passes[i], done[i], passes[i + 1], done[i + 1]);
      carried[i] += 4.0 * passes[i].output.channels * static_cast<double>(kept.end - kept.first);
    }
    for (int i = 0; i < count; i++) {
      describe_range(setting, passes[i], done[i], end[i], works[i]);
      done[i] = std::max(done[i], end[i]);
    }
  }
}

}  // namespace

void describe_stream(const DescribeSetting& setting, DescribedPass* passes, int count, Description* descriptions) {
  ConvolutionPass shapes[most_streamed]{}, apart[most_streamed]{};
  for (int i = 0; i < count; i++) {
    passes[i].input_streamed = i > 0;
    passes[i].output_streamed = i + 1 < count;
    shapes[i] = apart[i] = passes[i].pass;
    apart[i].squares = 0;
  }
  const long bands = bands_of(setting.threads, setting.band_pixels, shapes, count);
  PassWork works[most_streamed]{}, others[most_streamed]{};
  double carried[most_streamed] = {}, ignored[most_streamed] = {};
  count_bands(setting, shapes, count, bands, works, carried);
  count_bands(setting, apart, count, bands, others, ignored);
  const double weights = StreamBytes(shapes, count).weights;
  for (int i = 0; i < count; i++) {
    passes[i].carried_bytes = carried[i];
    passes[i].stream_weight_bytes = bands > 1 ? weights : 0;
    describe_cut(setting, passes[i], works[i], others[i], descriptions[i]);
  }
}

void describe_pooled(const DescribeSetting& setting, const GridPool& pool, DescribedPass& described,
                     Description& description) {
  described.input_streamed = true;
  ConvolutionPass apart = described.pass;
  apart.squares = 0;
  const long bands = pooled_bands(setting.threads, setting.band_pixels, pool);
  const auto counted = [&](const ConvolutionPass& pass) {
    PassWork work{};
    long done = 0;
    for (long b = 0; b < bands; b++) {
      const long end = pooled_end(pool, pass, b, bands);
      describe_range(setting, pass, done, end, work);
      done = std::max(done, end);
    }
    return work;
  };
  describe_cut(setting, described, counted(described.pass), counted(apart), description);
}

}  // namespace fovea
