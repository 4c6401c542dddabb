// Describes a program instruction by instruction; the counterpart of `execute` in program.cc.
#include "infer/describe.h"

#include <cmath>

#include "common/error.h"
#include "infer/program.h"
#include "infer/stream.h"
#include "infer/winograd.h"

namespace fovea {

namespace {

constexpr double float_bytes = 4;

double bytes_of(const Extent& map) { return float_bytes * static_cast<double>(map.values()); }

double squares_of(const Extent& map) {
  return static_cast<double>(map.batch) * ((map.height + 1) / 2) * ((map.width + 1) / 2);
}

}  // namespace

// Describes one program once.
class ProgramDescriber {
 public:
  ProgramDescriber(const Session& session, const Program& program, const DescribeSetting& setting,
                   const RegionCounts& counts)
      : session_(session), program_(program), setting_(setting), counts_(counts) {}

  // Describes the instruction at `at`, and for a stream those that belong to it; returns how many it has described.
  int describe(int at, Description* descriptions) const {
    const int32_t* words = words_at(at);
    if (static_cast<Operation>(words[0]) != Operation::stream) {
      describe_alone(words, false, descriptions[0]);
      return 1;
    }
    // As in `run`: a plan may set the size of bands.
    DescribeSetting streaming = setting_;
    if (words[2] > 0) streaming.band_pixels = words[2];
    ProgramDescriber(session_, program_, streaming, counts_).describe_stream_at(at + 1, words[1], descriptions + 1);
    return 1 + words[1];
  }

 private:
  const int32_t* words_at(int at) const {
    return program_.instructions_.data() + static_cast<long>(at) * instruction_words;
  }
  const Extent& extent(int32_t map) const { return program_.maps_[map].extent; }
  const Region& region(int32_t index) const { return program_.regions_[index]; }
  const Mask& mask_of(int32_t region) const { return program_.masks_[program_.region_sources_[region].mask]; }
  bool expected(int32_t region) const { return counts_.expected[program_.region_sources_[region].mask] != 0; }
  double whole(int32_t index) const { return static_cast<double>(region(index).map_pixels()); }
  double pixels(int32_t index) const { return std::clamp(counts_.pixels[index], 0.0, whole(index)); }
  double share(int32_t index) const { return pixels(index) / whole(index); }

  // Share of a mask's pixels that are active.
  double rate(int mask) const {
    for (size_t i = 0; i < program_.regions_.size(); i++)
      if (program_.region_sources_[i].mask == mask && program_.region_sources_[i].parent < 0)
        return share(static_cast<int32_t>(i));
    return 1;
  }

  // Runs of active pixels in the rows of a mask's map. With randomly active cells a run begins where an active cell
  // follows an inactive one. Above half of the cells runs become fewer again; that is ignored, so that a higher rate
  // never costs less.
  double runs(int mask_index) const {
    const Mask& mask = program_.masks_[mask_index];
    const double likely = std::min(rate(mask_index), 0.5);
    return likely * (1 - likely) * mask.batch * mask.height * mask.columns;
  }

  // Input pixels that a convolution reads to compute the pixels of a region: those of the input's region if there is
  // one; otherwise estimated from the share of active pixels and the surroundings of their runs along both axes.
  double read_pixels(int32_t index, int32_t convolution, const Extent& input) const {
    const Geometry& g = session_.convolution(convolution).geometry;
    if (g.taps() == 1) return pixels(index);
    for (size_t i = 0; i < program_.regions_.size(); i++) {
      const auto& source = program_.region_sources_[i];
      if (source.parent == index && source.convolution == convolution) return pixels(static_cast<int32_t>(i));
    }
    const Mask& mask = mask_of(index);
    const double likely = std::min(share(index), 0.5);
    const double ends = 2 * likely * (1 - likely);
    const double halo = std::max(0.0, (g.kernel_width - g.stride_x) / 2.0 / g.stride_x);
    const double around =
        halo * ends * (static_cast<double>(mask.columns) / mask.width + static_cast<double>(mask.rows) / mask.height);
    return std::min(1.0, share(index) + around) * static_cast<double>(input.pixels());
  }

  // What a convolve instruction computes; `whole_map`: as if its region were the whole map.
  DescribedPass convolution_at(const int32_t* o, bool whole_map = false) const {
    DescribedPass d;
    d.pass.convolution = &session_.convolution(o[0]);
    d.pass.input = extent(o[1]);
    d.pass.source_layout = static_cast<Layout>(o[5]);
    d.pass.output = extent(o[2]);
    d.pass.destination_layout = static_cast<Layout>(o[6]);
    d.residual = o[7] >= 0;
    if (o[3] >= 0) {
      const Region& r = region(o[3]);
      d.pass.output = {r.batch, r.height, r.width, d.pass.output.channels};
    }
    const auto all = static_cast<double>(d.pass.output.pixels());
    const bool partial = o[3] >= 0 && !whole_map;
    d.pixels = partial ? pixels(o[3]) : all;
    d.expected = partial && expected(o[3]) && d.pixels < all;
    if (partial && (d.pixels < all || expected(o[3]))) d.runs = runs(program_.region_sources_[o[3]].mask);
    const auto input_pixels = static_cast<double>(d.pass.input.pixels());
    const bool strided = d.pass.convolution->geometry.taps() == 1;
    d.input_pixels = std::min(input_pixels, d.pixels < all ? read_pixels(o[3], o[0], d.pass.input)
                                            : strided     ? all
                                                          : input_pixels);
    d.pass.count = d.expected ? d.pass.output.pixels() : std::lround(d.pixels);
    if (computes_squares(*d.pass.convolution, o)) {
      const double all_squares = squares_of(d.pass.output);
      d.squares = partial ? std::clamp(counts_.squares[o[3]], 0.0, all_squares) : all_squares;
      const double squares = d.expected ? all_squares : d.squares;
      if (winograd_pays(squares, static_cast<double>(d.pass.count))) d.pass.squares = std::lround(squares);
    }
    return d;
  }

  void describe_convolve(const int32_t* o, Description& description) const {
    if (o[4] == 0) return describe_pass(setting_, convolution_at(o), description);
    // At the pixels outside the region: the whole map without those inside.
    Description whole_map, inside;
    DescribedPass part = convolution_at(o);
    describe_pass(setting_, convolution_at(o, true), whole_map);
    if (part.pixels > 0) describe_pass(setting_, part, inside);
    if (!expected(o[3])) {
      part.pixels = whole(o[3]) - part.pixels;
      part.pass.count = std::lround(part.pixels);
      part.input_pixels = std::min(static_cast<double>(part.pass.input.pixels()), part.pixels);
      return describe_pass(setting_, part, description);
    }
    description = whole_map;
    description.amounts.subtract(inside.amounts);
    description.amounts.add(Amount::convolutions, 1);
  }

  void describe_stream_at(int at, int count, Description* descriptions) const {
    const auto operation = [&](int i) { return static_cast<Operation>(words_at(at + i)[0]); };
    const auto operands = [&](int i) { return words_at(at + i) + 1; };
    if (operation(0) == Operation::grid_pool) {
      const GridPool pool = pool_at(operands(0));
      describe_alone(words_at(at), false, descriptions[0]);
      DescribedPass pass = convolution_at(operands(1));
      return describe_pooled(setting_, pool, pass, descriptions[1]);
    }
    const bool pools = operation(count - 1) == Operation::grid_pool;
    if (pools) describe_alone(words_at(at + count - 1), true, descriptions[count - 1]);
    const int writers = pools ? count - 1 : count;
    if (operation(0) != Operation::convolve) return describe_alone(words_at(at), false, descriptions[0]);
    DescribedPass passes[most_streamed];
    for (int i = 0; i < writers; i++) passes[i] = convolution_at(operands(i));
    describe_stream(setting_, passes, writers, descriptions);
  }

  GridPool pool_at(const int32_t* o) const {
    const Mask& mask = program_.masks_[o[2]];
    return {extent(o[0]), nullptr, mask.rows, mask.columns, nullptr, nullptr};
  }

  void describe_alone(const int32_t* words, bool in_cache, Description& description) const {
    const int32_t* o = words + 1;
    Amounts amounts;
    switch (static_cast<Operation>(words[0])) {
      case Operation::convolve:
        return describe_convolve(o, description);
      case Operation::max_pool:
      case Operation::average_pool:
        amounts.add(Amount::passes, 1);
        describe_window(extent(o[0]), extent(o[1]), bytes_of(extent(o[1])) * o[2] * o[3], setting_.even(), amounts);
        break;
      case Operation::global_pool:
        amounts.add(Amount::passes, 1);
        describe_window(extent(o[0]), extent(o[1]), bytes_of(extent(o[0])), by_image(extent(o[0])), amounts);
        break;
      case Operation::add: {
        const Extent& map = extent(o[2]);
        describe_rows(setting_, Amount::add, static_cast<double>(map.pixels()),
                      bytes_of(map) * (o[1] < 0 ? 2 : 3), bytes_of(map), amounts);
        break;
      }
      case Operation::grid_pool: {
        const GridPool pool = pool_at(o);
        const double changed = o[3] < 0 ? 1 : rate(o[3]);
        describe_pool(setting_, pool, changed * static_cast<double>(pool.input.pixels()),
                      changed * static_cast<double>(pool.grid_rows() * pool.columns), in_cache, amounts);
        break;
      }
      case Operation::decide:
        amounts.add(Amount::passes, 1);
        amounts.add(Amount::decisions, static_cast<double>(extent(o[2]).values()));
        break;
      case Operation::index:
        describe_index(o[0], amounts);
        break;
      case Operation::gather: {
        const auto& source = program_.halo_sources_[o[2]];
        const Mask& mask = mask_of(source.region);
        const double active = share(source.region);
        const auto copied =
            active * static_cast<double>(Halo::capacity(mask, session_.convolution(source.convolution).geometry));
        amounts.add(Amount::passes, 1);
        amounts.add(Amount::items, active * static_cast<double>(mask.cell_count()) * setting_.even());
        amounts.add_levels(Amount::gather, float_bytes * copied * extent(o[0]).channels * setting_.even(),
                           bytes_of(extent(o[0])), setting_);
        break;
      }
      case Operation::scatter: {
        const Extent& map = extent(o[1]);
        describe_rows(setting_, Amount::scatter, static_cast<double>(map.pixels()),
                      (1 + share(o[2])) * bytes_of(map), bytes_of(map), amounts);
        break;
      }
      case Operation::scatter_add: {
        const Extent& map = extent(o[1]);
        describe_rows(setting_, Amount::add, pixels(o[2]), 3 * share(o[2]) * bytes_of(map), bytes_of(map), amounts);
        break;
      }
      case Operation::activate:
        describe_activate(o, amounts);
        break;
      case Operation::excite:
        describe_excite(o, description);
        return;
      default:
        return;
    }
    description.add(amounts);
  }

  double by_image(const Extent& map) const { return std::max(setting_.even(), 1.0 / map.batch); }

  void describe_window(const Extent& input, const Extent& output, double pooled_bytes, double share,
                       Amounts& amounts) const {
    amounts.add(Amount::pool, pooled_bytes * share);
    amounts.add_levels(Amount::read, bytes_of(input) * share, bytes_of(input), setting_);
    amounts.add_levels(Amount::write, bytes_of(output) * share, bytes_of(output), setting_);
  }

  void describe_index(int mask_index, Amounts& amounts) const {
    amounts.add(Amount::passes, 1);
    // Nothing else is listed for a mask without active cells.
    if (rate(mask_index) == 0) return;
    const double all_runs = runs(mask_index);
    for (size_t i = 0; i < program_.regions_.size(); i++) {
      const auto& source = program_.region_sources_[i];
      if (source.mask != mask_index) continue;
      const auto index = static_cast<int32_t>(i);
      amounts.add(Amount::index_regions, 1);
      // A map that is active everywhere is not listed; with expected counts this shortcut is not assumed.
      if (expected(index) || pixels(index) < whole(index)) {
        amounts.add(Amount::index_pixels, whole(index));
        amounts.add(Amount::index_listed, region(index).wants_others ? whole(index) : pixels(index));
        // Branch prediction fails where runs of active pixels begin.
        amounts.add(Amount::index_runs, source.parent < 0 ? all_runs : 3 * all_runs);
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

  void describe_activate(const int32_t* o, Amounts& amounts) const {
    const Extent& map = extent(o[0]);
    const double outside = whole(o[1]) - pixels(o[1]);
    const bool is_expected = expected(o[1]);
    if (outside == 0 && !is_expected) return;
    describe_rows(setting_, Amount::add, outside, 2 * float_bytes * outside * map.channels, bytes_of(map), amounts);
  }

  void describe_excite(const int32_t* o, Description& description) const {
    const Extent& map = extent(o[0]);
    const Extent plane = o[1] < 0 ? map
                                  : Extent{region(o[1]).batch, region(o[1]).height, region(o[1]).width, map.channels};
    const auto all = static_cast<double>(plane.pixels());
    const double pooled = o[5] < 0 ? all : pixels(o[5]);
    const double scaled = o[1] < 0 ? all : pixels(o[1]);
    const double row = float_bytes * map.channels;
    // Each image is pooled by one thread.
    const double share = by_image(plane);
    Amounts amounts;
    amounts.add(Amount::passes, 1);
    amounts.add(Amount::pool, pooled * row * share);
    amounts.add(Amount::rows, pooled * share);
    amounts.add_levels(Amount::read, pooled * row * share, all * row, setting_);
    describe_rows(setting_, Amount::add, scaled, 2 * scaled * row, all * row, amounts);
    for (const int32_t index : {o[3], o[4]}) {
      DescribedPass linear;
      linear.pass.convolution = &session_.convolution(index);
      const Geometry& g = linear.pass.convolution->geometry;
      linear.pass.input = {plane.batch, 1, 1, g.in_channels};
      linear.pass.output = {plane.batch, 1, 1, g.out_channels};
      linear.pass.count = plane.batch;
      linear.pixels = linear.input_pixels = plane.batch;
      Description layer;
      describe_pass(setting_, linear, layer);
      amounts.add_all(layer.amounts);
      description.tally += layer.tally;
    }
    description.add(amounts);
  }

  const Session& session_;
  const Program& program_;
  const DescribeSetting& setting_;
  const RegionCounts& counts_;
};

void describe_pool(const DescribeSetting& setting, const GridPool& pool, double pixels, double cells, bool in_cache,
                   Amounts& amounts) {
  const double bytes = float_bytes * pixels * pool.input.channels;
  const auto items = static_cast<double>(pool.grid_rows() * pool_parts(setting.threads, pool));
  amounts.add(Amount::passes, 1);
  amounts.add(Amount::pool, bytes * setting.even());
  amounts.add(Amount::rows, pixels * setting.even());
  amounts.add(Amount::pool_cells, cells * setting.even());
  amounts.add(Amount::items, items * setting.even());
  amounts.add_levels(Amount::read, bytes * setting.even(), in_cache ? std::min(bytes, setting.near_bytes) : bytes,
                     setting);
}

void describe_rows(const DescribeSetting& setting, Amount kind, double rows, double bytes, double size,
                   Amounts& amounts) {
  amounts.add(Amount::passes, 1);
  amounts.add(Amount::items, rows / limits::chunk_rows * setting.even());
  amounts.add(Amount::rows, rows * setting.even());
  amounts.add_levels(kind, bytes * setting.even(), size, setting);
}

void Program::describe(const Session& session, const DescribeSetting& setting, const RegionCounts& counts,
                       std::vector<Description>& descriptions) const {
  descriptions.assign(instruction_count(), Description{});
  const ProgramDescriber describer(session, *this, setting, counts);
  for (int at = 0; at < instruction_count();) at += describer.describe(at, descriptions.data() + at);
}

}  // namespace fovea
