// Describes operations other than convolutions and streams; the counterpart of their loops.
#include <cmath>

#include "common/error.h"
#include "infer/program_describer.h"

namespace fovea {

void ProgramDescriber::describe_alone(const int32_t* words, bool in_cache, Description& description) const {
  const int32_t* o = words + 1;
  Amounts amounts;
  switch (static_cast<Operation>(words[0])) {
    case Operation::convolve:
      return describe_convolve(o, description);
    case Operation::max_pool:
    case Operation::average_pool:
      amounts.add(Amount::passes, 1);
      amounts.add(Amount::pointers, static_cast<double>(extent(o[1]).pixels()) * o[2] * o[3] * setting_.even());
      describe_window(o, bytes_of(extent(o[1])) * o[2] * o[3], setting_.even(), amounts);
      break;
    case Operation::global_pool:
      amounts.add(Amount::passes, 1);
      describe_window(o, bytes_of(extent(o[0])), by_image(extent(o[0])), amounts);
      break;
    case Operation::copy_channels: {
      const auto rows = static_cast<double>(extent(o[0]).pixels()), bytes = float_bytes * rows * o[3];
      describe_rows(rows, {{o[0], bytes}}, {o[1], bytes}, amounts);
      break;
    }
    case Operation::resize: {
      const Extent& larger = extent(o[1]);
      if (static_cast<Interpolation>(o[2]) == Interpolation::nearest) {
        const auto rows = static_cast<double>(larger.pixels());
        describe_rows(rows, {{o[0], bytes_of(extent(o[0]))}}, {o[1], bytes_of(larger)}, amounts);
        break;
      }
      amounts.add(Amount::passes, 1);
      describe_window(o, mixed_rows * bytes_of(larger), setting_.even(), amounts);
      break;
    }
    case Operation::normalise_map: {
      const double bytes = bytes_of(extent(o[0]));
      const auto rows = static_cast<double>(extent(o[0]).pixels());
      // Its statistics, read twice while they are near, and those of the parts joined.
      amounts.add(Amount::passes, 2);
      amounts.add(Amount::pool, 2 * bytes * setting_.even());
      amounts.add_levels(Amount::read, bytes * setting_.even(), bytes + since(o[0]), setting_);
      use(o[0], bytes);
      describe_rows(rows, {{o[0], bytes}}, {o[1], bytes}, amounts);
      break;
    }
    case Operation::pixel_attention:
      describe_pixel_attention(o, amounts);
      break;
    case Operation::multiply: {
      const double bytes = bytes_of(extent(o[2]));
      const auto rows = static_cast<double>(extent(o[2]).pixels());
      describe_rows(rows, {{o[0], bytes}, {o[1], bytes_of(extent(o[1]))}}, {o[2], bytes}, amounts);
      break;
    }
    case Operation::add: {
      const double bytes = bytes_of(extent(o[2]));
      const auto rows = static_cast<double>(extent(o[2]).pixels());
      if (o[1] < 0)
        describe_rows(rows, {{o[0], bytes}}, {o[2], bytes}, amounts);
      else
        describe_rows(rows, {{o[0], bytes}, {o[1], bytes}}, {o[2], bytes}, amounts);
      describe_curve(o[3], rows, extent(o[2]).channels, amounts);
      break;
    }
    case Operation::grid_pool: {
      const GridPool pool = pool_at(o);
      const double changed = o[3] < 0 ? 1 : rate(o[3]);
      describe_pool(setting_, pool, changed * static_cast<double>(pool.input.pixels()),
                    changed * static_cast<double>(pool.grid_rows() * pool.columns),
                    in_cache ? 0 : since(o[0]), in_cache, amounts);
      use(o[0], changed * bytes_of(pool.input));
      break;
    }
    case Operation::decide:
      amounts.add(Amount::passes, 1);
      amounts.add(Amount::decisions, static_cast<double>(extent(o[2]).values()));
      amounts.add(Amount::decided, static_cast<double>(extent(o[2]).pixels()));
      break;
    case Operation::index:
      describe_index(o[0], amounts);
      break;
    case Operation::gather: {
      const auto& source = program_.halo_sources_[o[2]];
      const Mask& mask = mask_of(source.region);
      const double active = share(source.region);
      if (active <= 0) break;
      const auto copied =
          active * static_cast<double>(Halo::capacity(mask, session_.convolution(source.convolution).geometry));
      amounts.add(Amount::passes, 1);
      amounts.add(Amount::items, active * static_cast<double>(mask.cell_count()) * setting_.even());
      const double bytes = float_bytes * copied * extent(o[0]).channels;
      describe_moves({{o[0], bytes}}, {o[1], bytes}, amounts);
      break;
    }
    case Operation::scatter: {
      const double bytes = bytes_of(extent(o[1]));
      describe_rows(static_cast<double>(extent(o[1]).pixels()), {{o[0], share(o[2]) * bytes}}, {o[1], bytes}, amounts);
      break;
    }
    case Operation::scatter_add: {
      if (pixels(o[2]) <= 0) break;
      const double bytes = share(o[2]) * bytes_of(extent(o[1]));
      const int32_t shortcut = o[4] < 0 ? o[1] : o[4];
      describe_rows(pixels(o[2]), {{o[0], bytes}, {shortcut, bytes}}, {o[1], bytes}, amounts);
      describe_curve(o[3], pixels(o[2]), extent(o[1]).channels, amounts);
      break;
    }
    case Operation::activate:
      describe_activate(o, amounts);
      break;
    case Operation::excite:
      describe_attention(o, description);
      return;
    default:
      return;
  }
  description.add(amounts);
}

void ProgramDescriber::describe_window(const int32_t* o, double pooled_bytes, double share, Amounts& amounts) const {
  const double read = bytes_of(extent(o[0])), written = bytes_of(extent(o[1]));
  amounts.add(Amount::pool, pooled_bytes * share);
  amounts.add_levels(Amount::read, read * share, read + since(o[0]), setting_);
  amounts.add_levels(Amount::write, written * share, written + since(o[1]), setting_);
  use(o[0], read);
  use(o[1], written);
}

void ProgramDescriber::describe_moves(std::initializer_list<Moved> read, const Moved& written, Amounts& amounts) const {
  const auto buffer_of = [&](const Moved& one) { return program_.maps_[one.map].buffer; };
  bool in_place = false;
  for (const Moved& one : read) {
    amounts.add_levels(Amount::load, one.bytes * setting_.even(), one.bytes + since(one.map), setting_);
    in_place |= buffer_of(one) == buffer_of(written);
  }
  if (!in_place)
    amounts.add_levels(Amount::store, written.bytes * setting_.even(), written.bytes + since(written.map), setting_);
  for (const Moved& one : read) use(one.map, one.bytes);
  if (!in_place) use(written.map, written.bytes);
}

void ProgramDescriber::describe_rows(double rows, std::initializer_list<Moved> read, const Moved& written,
                                     Amounts& amounts) const {
  amounts.add(Amount::passes, 1);
  amounts.add(Amount::items, rows / limits::chunk_rows * setting_.even());
  amounts.add(Amount::rows, rows * setting_.even());
  describe_moves(read, written, amounts);
}

void ProgramDescriber::describe_curve(int32_t activation, double rows, int channels, Amounts& amounts) const {
  if (!curved(static_cast<Activation>(activation))) return;
  amounts.add(Amount::curved, rows * std::ceil(static_cast<double>(channels) / setting_.shape.lanes) * setting_.even());
}

void ProgramDescriber::describe_index(int mask_index, Amounts& amounts) const {
  amounts.add(Amount::passes, 1);
  // Nothing else is listed for a mask without active cells.
  if (rate(mask_index) == 0) return;
  for (size_t i = 0; i < program_.regions_.size(); i++) {
    const auto& source = program_.region_sources_[i];
    if (source.mask != mask_index) continue;
    const auto index = static_cast<int32_t>(i);
    amounts.add(Amount::index_regions, 1);
    // A map that is active everywhere is not listed; with expected counts this shortcut is not assumed.
    if (expected(index) || region(index).by_cells || pixels(index) < whole(index)) {
      amounts.add(Amount::index_pixels, whole(index));
      amounts.add(Amount::index_listed, region(index).wants_others ? whole(index) : pixels(index));
      // Branch prediction fails where runs of active pixels begin.
      amounts.add(Amount::index_runs, source.parent < 0 ? runs(index) : 3 * runs(index));
    }
    if (region(index).wants_tiling) {
      amounts.add(Amount::index_squares, pixels(index));
      amounts.add(Amount::index_runs, std::max(0.0, counts_.squares[i]));
    }
  }
  for (const auto& halo : program_.halo_sources_)
    if (program_.region_sources_[halo.region].mask == mask_index)
      amounts.add(Amount::index_halo, pixels(halo.region));
}

void ProgramDescriber::describe_activate(const int32_t* o, Amounts& amounts) const {
  const Extent& map = extent(o[0]);
  const double outside = whole(o[1]) - pixels(o[1]);
  const bool is_expected = expected(o[1]);
  if (outside == 0 && !is_expected) return;
  const double bytes = float_bytes * outside * map.channels;
  describe_rows(outside, {{o[0], bytes}}, {o[0], bytes}, amounts);
  describe_curve(o[2], outside, map.channels, amounts);
}

void ProgramDescriber::describe_attention(const int32_t* o, Description& description) const {
  const Extent plane = program_.attended_map(o);
  const Attention attention = program_.attention_at(session_, o);
  const auto all = static_cast<double>(plane.pixels());
  const double pooled = o[5] < 0 ? all : pixels(o[5]);
  const double scaled = o[1] < 0 ? all : pixels(o[1]);
  const double row = float_bytes * plane.channels;
  Amounts amounts;
  const auto read_pooled = [&](double share, double passed) {
    amounts.add(Amount::passes, 1);
    amounts.add(Amount::pool, pooled * row * share);
    amounts.add(Amount::rows, pooled * share);
    amounts.add_levels(Amount::read, pooled * row * share, pooled * row + passed, setting_);
  };
  // Each image is pooled by one thread.
  if (attention.mean || attention.response) read_pooled(by_image(plane), since(o[0]));
  if (attention.maximum) read_pooled(by_image(plane), attention.mean ? 0 : since(o[0]));
  if (attention.spatial) read_pooled(setting_.even(), 0);
  describe_rows(scaled, {{o[0], scaled * row}}, {o[0], scaled * row}, amounts);
  for (const AttentionLayer& layer : layers_of(attention, plane)) {
    DescribedPass described;
    described.pass.convolution = layer.convolution;
    described.pass.activation = layer.convolution->activation;
    described.pass.input = layer.input;
    described.pass.output = layer.output;
    described.pixels = layer.follows_region ? scaled : static_cast<double>(layer.output.pixels());
    described.expected = layer.follows_region && o[1] >= 0 && expected(o[1]);
    described.pass.count = described.expected ? layer.output.pixels() : std::lround(described.pixels);
    described.input_pixels = std::min(described.pixels, static_cast<double>(layer.input.pixels()));
    Description one;
    describe_pass(setting_, described, one);
    amounts.add_all(one.amounts);
    description.tally += one.tally;
  }
  description.add(amounts);
}

}  // namespace fovea
