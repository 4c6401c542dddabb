#include "infer/stream.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "infer/describe.h"
#include "infer/winograd.h"

namespace fovea {

namespace {

// What a pass of a stream writes for the next one. Only rows that are still to be read are kept, at the start of the
// buffer, so that each band writes to cache lines that the band before it used.
class Intermediate {
 public:
  Intermediate() = default;
  // Keeps rows from `first` on at row `offset` of the buffer, and points both passes to where row 0 would be.
  Intermediate(ConvolutionPass& writer, long first, long offset, ConvolutionPass& reader)
      : buffer_(writer.destination + offset * writer.output.channels), channels_(writer.output.channels), first_(first) {
    point(writer, reader);
  }

  // Moves the rows that `reader` still needs to the front.
  void advance(ConvolutionPass& writer, Kept kept, ConvolutionPass& reader) {
    if (kept.first <= first_) return;
    std::memmove(buffer_, buffer_ + (kept.first - first_) * channels_,
                 (kept.end - kept.first) * channels_ * sizeof(float));
    first_ = kept.first;
    point(writer, reader);
  }

 private:
  void point(ConvolutionPass& writer, ConvolutionPass& reader) const {
    writer.destination = buffer_ - first_ * channels_;
    reader.source = writer.destination;
  }

  float* buffer_ = nullptr;
  long channels_ = 0;
  long first_ = 0;
};

// The rows around the borders of parts, copied before any part writes over them.
class BorderCopies {
 public:
  BorderCopies(AlignedFloats& values, const StreamPlan& plan, const ConvolutionPass& first) : map_(first.source) {
    const long channels = first.input.channels;
    long end = 0;
    for (const Border& border : plan.borders) {
      starts_.push_back(end - border.first * channels);
      end += (border.end - border.first) * channels;
    }
    if (values.size() < static_cast<size_t>(end)) values = AlignedFloats(end);
    copies_ = values.data();
    for (size_t i = 0; i < starts_.size(); i++) {
      const Border& border = plan.borders[i];
      std::copy(map_ + border.first * channels, map_ + border.end * channels,
                copies_ + starts_[i] + border.first * channels);
    }
  }

  // Where row 0 would be of what a part's first pass reads; `border`: as `by_border` gives it.
  const float* source(long part, int border) const {
    return border == 1 ? map_ : copies_ + starts_[border == 0 ? part - 1 : part];
  }

 private:
  const float* map_;
  float* copies_ = nullptr;
  std::vector<long> starts_;
};

// Pixels of a pass, or the squares they are computed in.
double units_of(const ConvolutionPass& pass, Range pixels) {
  if (pass.squares == 0) return static_cast<double>(pixels.last - pixels.first);
  return static_cast<double>(pass.tiling->square_of(pixels.last) - pass.tiling->square_of(pixels.first));
}

// Runs one part of a stream.
template <class AfterBand>
void stream_part(const Machine& machine, const ConvolutionPass* shared, int count, const StreamPlan& plan, long index,
                 const BorderCopies& borders, AfterBand after_band) {
  ConvolutionPass passes[most_streamed];
  std::copy_n(shared, count, passes);
  StreamPart part(shared, count, plan.pixels(shared[count - 1], index), plan.bands);
  Intermediate intermediates[most_streamed];
  for (int i = 0; i + 1 < count; i++) {
    const long offset = plan.offsets.empty() ? 0 : plan.offsets[index][i];
    intermediates[i] = Intermediate(passes[i], part.first_row(i), offset, passes[i + 1]);
  }
  while (part.next()) {
    for (int i = 0; !part.is_first() && i + 1 < count; i++)
      intermediates[i].advance(passes[i], part.kept(i), passes[i + 1]);
    by_border(plan, index, part.pixels(0), [&](Range pixels, int border) {
      passes[0].source = borders.source(index, border);
      convolve_range(machine, passes[0], pixels.first, pixels.last);
    });
    for (int i = 1; i < count; i++) convolve_range(machine, passes[i], part.pixels(i).first, part.pixels(i).last);
    after_band(part.pixels(count - 1).last);
  }
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

long final_pixels(const int32_t* pixels, bool by_cells, long count, long done, long map_pixels) {
  if (done >= count) return map_pixels;
  if (by_cells) return 0;
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

void stream(const Machine& machine, const ConvolutionPass* passes, int count, FollowingPool* pool) {
  const ConvolutionPass& last = passes[count - 1];
  const StreamPlan plan = plan_stream(machine.threads, machine.band_pixels, passes, count,
                                      last.destination == passes[0].source);
  const auto pooled = [&](long done) {
    if (pool) pool->advance(final_pixels(last.pixels, last.cell_ends != nullptr, last.count, done, last.output.pixels()));
  };
  const BorderCopies borders(machine.scratch->borders, plan, passes[0]);
  if (plan.parts == 1) return stream_part(machine, passes, count, plan, 0, borders, pooled);
  machine.pool->for_each(machine.threads, plan.parts, machine.stop, [&](long i, int thread) {
    Machine alone = machine;
    alone.threads = 1;
    alone.scratch = machine.scratch + thread;
    stream_part(alone, passes, count, plan, i, borders, [](long) {});
  });
  // Counted once, as in a plan of one part.
  for (int i = 0; i < count; i++)
    plan.repeated(i, [&](Range pixels) { machine.scratch->tally.units -= units_of(passes[i], pixels); });
  pooled(last.count);
}

namespace {

// The same loop, counted; `carried`: bytes of the rows that the bands of a thread pass on.
void count_bands(const DescribeSetting& setting, const ConvolutionPass* passes, int count, const StreamPlan& plan,
                 PassWork* works, double* carried) {
  DescribeSetting alone = setting;
  if (plan.parts > 1) alone.threads = 1;
  for (long p = 0; p < plan.parts; p++) {
    PassWork own[most_streamed]{};
    double moved[most_streamed] = {};
    for (StreamPart part(passes, count, plan.pixels(passes[count - 1], p), plan.bands); part.next();) {
      for (int i = 0; !part.is_first() && i + 1 < count; i++)
        moved[i] += 4.0 * passes[i].output.channels * static_cast<double>(part.kept(i).end - part.kept(i).first);
      by_border(plan, p, part.pixels(0),
                [&](Range pixels, int) { describe_range(alone, passes[0], pixels.first, pixels.last, own[0]); });
      for (int i = 1; i < count; i++)
        describe_range(alone, passes[i], part.pixels(i).first, part.pixels(i).last, own[i]);
    }
    for (int i = 0; i < count; i++) {
      works[i].add_beside(own[i]);
      carried[i] = std::max(carried[i], moved[i]);
    }
  }
  for (int i = 0; i < count; i++) {
    const long once = passes[i].squares > 0 ? passes[i].squares : passes[i].count;
    works[i].repeated = std::max(0.0, works[i].units - static_cast<double>(once));
  }
}

}  // namespace

void describe_stream(const DescribeSetting& setting, DescribedPass* passes, int count, bool in_place,
                     Description* descriptions) {
  ConvolutionPass shapes[most_streamed]{}, apart[most_streamed]{};
  for (int i = 0; i < count; i++) {
    passes[i].input_streamed = i > 0;
    passes[i].output_streamed = i + 1 < count;
    shapes[i] = apart[i] = passes[i].pass;
    apart[i].squares = 0;
  }
  const StreamPlan plan = plan_stream(setting.threads, setting.band_pixels, shapes, count, in_place);
  PassWork works[most_streamed]{}, others[most_streamed]{};
  double carried[most_streamed] = {}, ignored[most_streamed] = {};
  count_bands(setting, shapes, count, plan, works, carried);
  count_bands(setting, apart, count, plan, others, ignored);
  const double weights = stream_weights(shapes, count);
  for (int i = 0; i < count; i++) {
    passes[i].carried_bytes = carried[i];
    passes[i].stream_weight_bytes = plan.bands > 1 ? weights : 0;
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
