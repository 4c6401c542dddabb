#include "infer/bands.h"

#include <cmath>

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

// Where `writer` must begin so that `reader` can begin with its pixel `begin`.
long begin_before(const ConvolutionPass& reader, long begin, const ConvolutionPass& writer) {
  if (begin == 0 || begin >= reader.count) return begin == 0 ? 0 : writer.count;
  const long row = first_row_read(reader, begin);
  const long first = writer.destination_layout == Layout::packed ? row : writer.before(row);
  return writer.squares > 0 && first < writer.count ? winograd_begin(writer, first) : first;
}

// The first row of memory that `writer` fills from its pixel `begin` on, or that `reader` reads of it.
long first_row_of(const ConvolutionPass& writer, long begin, const ConvolutionPass& reader, long read) {
  if (begin == 0) return 0;
  const long written = writer.destination_layout == Layout::packed || begin >= writer.count ? begin : writer.place(begin);
  return read < reader.count ? std::min(written, first_row_read(reader, read)) : written;
}

double intermediate_bytes(const ConvolutionPass* passes, int count) {
  double bytes = 0;
  for (int i = 0; i + 1 < count; i++)
    bytes += 4.0 * passes[i].output.channels * static_cast<double>(passes[i].count);
  return bytes;
}

// How many bands keep the intermediates in the caches of all threads, unless the session sets the size of a band. Every
// band after the first reads the weights again, which must not be more bytes than it saves by keeping intermediates
// (each written and read once) in cache.
long bands_of(int threads, long band_pixels, const ConvolutionPass* passes, int count) {
  const ConvolutionPass& last = passes[count - 1];
  if (const long wanted = wanted_bands(band_pixels, last.count)) return wanted;
  const double intermediates = intermediate_bytes(passes, count);
  const double fitting = std::ceil(intermediates / static_cast<double>(threads * limits::band_bytes));
  const double paying = 1 + 2 * intermediates / stream_weights(passes, count);
  const long most = (last.count + limits::block_pixels - 1) / limits::block_pixels;
  return std::clamp<long>(static_cast<long>(std::min(fitting, paying)), 1, std::max(1L, most));
}

// The most rows of each buffer that a part keeps at a time.
using PartRows = std::array<long, most_streamed>;

PartRows rows_of(int count, StreamPart part) {
  PartRows rows{}, front{};
  for (int i = 0; i + 1 < count; i++) front[i] = part.first_row(i);
  while (part.next()) {
    for (int i = 0; i + 1 < count; i++) {
      if (!part.is_first()) front[i] = std::max(front[i], part.kept(i).first);
      rows[i] = std::max(rows[i], part.end_row(i) - front[i]);
    }
  }
  return rows;
}

// What each pass computes for a part.
std::array<Range, most_streamed> computed_by(const ConvolutionPass* passes, int count, Range last_pixels) {
  std::array<Range, most_streamed> computed{};
  StreamPart part(passes, count, last_pixels, 1);
  part.next();
  for (int i = 0; i < count; i++) computed[i] = part.pixels(i);
  return computed;
}

// Whether parts of their own pay: rows at their borders are computed twice, so one thread has more to do than its share.
// Judged as if the pixels were spread evenly, so that `describe` finds the same.
bool parts_pay(const StreamPlan& plan, const ConvolutionPass* passes, int count) {
  ConvolutionPass spread[most_streamed];
  double busiest = 0, once = 0;
  for (int i = 0; i < count; i++) {
    spread[i] = passes[i];
    spread[i].pixels = nullptr;
    spread[i].cell_ends = nullptr;
    once += static_cast<double>(passes[i].count) * static_cast<double>(passes[i].convolution->weight_values);
  }
  for (long t = 0; t < plan.parts; t++) {
    double work = 0;
    const auto computed = computed_by(spread, count, plan.pixels(spread[count - 1], t));
    for (int i = 0; i < count; i++)
      work += static_cast<double>(computed[i].last - computed[i].first) *
              static_cast<double>(passes[i].convolution->weight_values);
    busiest = std::max(busiest, work);
  }
  return busiest * static_cast<double>(plan.parts) <= limits::most_repeated * once;
}

// How many rows above and below its own a row of a pass of stride 1 reads.
struct Reach {
  long above, below;

  explicit Reach(const Geometry& g)
      : above(g.pad_top), below(static_cast<long>(g.kernel_height - 1) * g.dilation_y - g.pad_top) {}
};

// Finds the borders of parts. False where a part would be all border.
bool find_borders(StreamPlan& plan, const ConvolutionPass* passes, int count) {
  const ConvolutionPass& first = passes[0];
  const ConvolutionPass& last = passes[count - 1];
  const long width = first.output.width;
  const long all_rows = static_cast<long>(first.input.batch) * first.input.height;
  const Reach reach(first.convolution->geometry);
  plan.inner.assign(plan.parts, Range{0, first.count});
  for (long t = 1; t < plan.parts; t++) {
    const Range above = plan.computed[t - 1][0], below = plan.computed[t][0];
    // The part above writes up to this row, or into it, and the part below from it on.
    const long row = last.place(plan.pixels(last, t).first) / width;
    // The first pixel that reads the row or one below it, and the first that reads neither it nor one above.
    long before = first.before((row - reach.below) * width);
    long after = first.before((row + reach.above + 1) * width);
    if (first.squares > 0) {
      if (before < first.count) before = winograd_begin(first, before);
      after = winograd_align(first, after);
    }
    plan.inner[t - 1].last = std::min(before, above.last);
    plan.inner[t].first = std::max(after, below.first);
    const long top = std::min(before, below.first), bottom = std::max(after, above.last);
    // Without pixels here no part reads the border.
    Border border{};
    if (bottom > top) {
      Range rows{first.place(top) / width, first.place(bottom - 1) / width + 1};
      // The other row of a pair may have no pixel.
      if (first.squares > 0) rows = {rows.first - 1, rows.last + 1};
      border = {std::max(0L, rows.first - reach.above) * width, std::min(all_rows, rows.last + reach.below) * width};
    }
    plan.borders.push_back(border);
  }
  return std::all_of(plan.inner.begin(), plan.inner.end(), [](const Range& own) { return own.first <= own.last; });
}

// Lays out the parts of a plan in the buffers between the passes. False where they do not fit beside each other.
bool lay_out(StreamPlan& plan, const ConvolutionPass* passes, int count) {
  std::array<long, most_streamed> next{};
  for (long t = 0; t < plan.parts; t++) {
    const Range pixels = plan.pixels(passes[count - 1], t);
    plan.computed.push_back(computed_by(passes, count, pixels));
    plan.offsets.push_back(next);
    const PartRows rows = rows_of(count, StreamPart(passes, count, pixels, plan.bands));
    for (int i = 0; i + 1 < count; i++) next[i] += rows[i];
  }
  for (int i = 0; i + 1 < count; i++) {
    const ConvolutionPass& pass = passes[i];
    if (next[i] > (pass.destination_layout == Layout::packed ? pass.count : pass.output.pixels())) return false;
  }
  return true;
}

}  // namespace

StreamPart::StreamPart(const ConvolutionPass* passes, int count, Range last_pixels, long bands)
    : passes_(passes), count_(count), last_pixels_(last_pixels), bands_(bands) {
  end_[count - 1] = last_pixels.first;
  for (int i = count - 2; i >= 0; i--) {
    end_[i] = begin_before(passes[i + 1], end_[i + 1], passes[i]);
    first_row_[i] = first_row_of(passes[i], end_[i], passes[i + 1], end_[i + 1]);
  }
}

bool StreamPart::next() {
  if (++band_ >= bands_) return false;
  std::copy_n(end_, count_, done_);
  const ConvolutionPass& last = passes_[count_ - 1];
  long end = band_ + 1 == bands_
                 ? last_pixels_.last
                 : aligned(last, last_pixels_.first + (last_pixels_.last - last_pixels_.first) * (band_ + 1) / bands_);
  for (int i = count_ - 1; i >= 0; i--) {
    end_[i] = std::max(done_[i], end);
    if (i > 0) end = end == 0 ? 0 : aligned(passes_[i - 1], pixels_read(passes_[i], end, passes_[i - 1]));
  }
  return true;
}

Kept StreamPart::kept(int i) const {
  const long end = rows_written(passes_[i], done_[i]);
  const long read = done_[i + 1];
  return {read < passes_[i + 1].count ? std::min(first_row_read(passes_[i + 1], read), end) : end, end};
}

long StreamPart::end_row(int i) const { return rows_written(passes_[i], end_[i]); }

Range StreamPlan::pixels(const ConvolutionPass& last, long part) const {
  const Range even = part_of(last.count, part, parts);
  return {aligned(last, even.first), aligned(last, even.last)};
}

StreamPlan plan_stream(int threads, long band_pixels, const ConvolutionPass* passes, int count, bool in_place) {
  const long bands = bands_of(threads, band_pixels, passes, count);
  const long pixels = passes[count - 1].count;
  if (threads > 1 && count > 1 && pixels >= threads * limits::block_pixels) {
    // A thread that moves its rows from band to band itself finds them in its own cache.
    StreamPlan plan{threads, band_pixels > 0 ? wanted_bands(band_pixels, pixels / threads) : std::max(2L, bands)};
    if (parts_pay(plan, passes, count) && lay_out(plan, passes, count) &&
        (!in_place || find_borders(plan, passes, count)))
      return plan;
  }
  return {1, bands};
}

long aligned(const ConvolutionPass& pass, long end) { return pass.squares > 0 ? winograd_align(pass, end) : end; }

double stream_weights(const ConvolutionPass* passes, int count) {
  double weights = 0;
  for (int i = 0; i < count; i++) weights += static_cast<double>(passes[i].weight_bytes());
  return weights;
}

}  // namespace fovea
