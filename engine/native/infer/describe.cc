// Describes a program instruction by instruction; the counterpart of `execute` in program.cc.
#include "infer/describe.h"

#include <cmath>

#include "common/error.h"
#include "infer/program.h"
#include "infer/stream.h"
#include "infer/traffic.h"
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
                   const RegionCounts& counts, Traffic& traffic)
      : session_(session), program_(program), setting_(setting), counts_(counts), traffic_(traffic) {}

  // Describes the instruction at `at`, and for a stream those that belong to it; returns how many it has described.
  int describe(int at, Description* descriptions) const {
    const int32_t* words = words_at(at);
    if (static_cast<Operation>(words[0]) != Operation::stream) {
      describe_alone(words, false, descriptions[0]);
      traffic_.settle();
      return 1;
    }
    // As in `run`: a plan may set the size of bands.
    DescribeSetting streaming = setting_;
    if (words[2] > 0) streaming.band_pixels = words[2];
    ProgramDescriber(session_, program_, streaming, counts_, traffic_)
        .describe_stream_at(at + 1, words[1], descriptions + 1);
    traffic_.settle();
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
  double since(int32_t map) const { return traffic_.since(program_.maps_[map].buffer); }
  void use(int32_t map, double bytes) const { traffic_.use(program_.maps_[map].buffer, bytes); }
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
    d.pass.activation = static_cast<Activation>(o[8]);
    d.pass.input = extent(o[1]);
    d.pass.source_layout = static_cast<Layout>(o[5]);
    d.pass.output = extent(o[2]);
    d.pass.destination_layout = static_cast<Layout>(o[6]);
    d.input_since = since(o[1]);
    d.output_since = since(o[2]);
    d.residual = o[7] >= 0;
    if (d.residual) d.residual_since = since(o[7]);
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

  // Counts what a convolution moves, but for maps that stay near within a stream.
  void use_all(const int32_t* o, const DescribedPass& d) const {
    const double input_pixel = float_bytes * d.pass.input.channels, output_pixel = float_bytes * d.pass.output.channels;
    if (!d.input_streamed) use(o[1], input_pixel * d.input_pixels);
    if (!d.output_streamed) use(o[2], output_pixel * d.pixels);
    if (d.residual) use(o[7], output_pixel * d.pixels);
    traffic_.weigh(float_bytes * static_cast<double>(d.pass.squares > 0 ? d.pass.convolution->winograd_values
                                                                       : d.pass.convolution->weight_values));
  }

  void describe_convolve(const int32_t* o, Description& description) const {
    const DescribedPass described = convolution_at(o);
    use_all(o, described);
    if (o[4] == 0) return describe_pass(setting_, described, description);
    // At the pixels outside the region: the whole map without those inside.
    Description whole_map, inside;
    DescribedPass part = described;
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
      use_all(operands(1), pass);
      return describe_pooled(setting_, pool, pass, descriptions[1]);
    }
    const bool pools = operation(count - 1) == Operation::grid_pool;
    if (pools) describe_alone(words_at(at + count - 1), true, descriptions[count - 1]);
    const int writers = pools ? count - 1 : count;
    if (operation(0) != Operation::convolve) return describe_alone(words_at(at), false, descriptions[0]);
    DescribedPass passes[most_streamed];
    for (int i = 0; i < writers; i++) passes[i] = convolution_at(operands(i));
    describe_stream(setting_, passes, writers, descriptions);
    for (int i = 0; i < writers; i++) use_all(operands(i), passes[i]);
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
        describe_window(o, bytes_of(extent(o[1])) * o[2] * o[3], setting_.even(), amounts);
        break;
      case Operation::global_pool:
        amounts.add(Amount::passes, 1);
        describe_window(o, bytes_of(extent(o[0])), by_image(extent(o[0])), amounts);
        break;
      case Operation::copy_channels: {
        const auto rows = static_cast<double>(extent(o[0]).pixels()), bytes = float_bytes * rows * o[3];
        describe_rows(Amount::scatter, rows, {{o[0], bytes}, {o[1], bytes}}, amounts);
        break;
      }
      case Operation::resize: {
        const Extent& larger = extent(o[1]);
        if (static_cast<Interpolation>(o[2]) == Interpolation::nearest) {
          const auto rows = static_cast<double>(larger.pixels());
          describe_rows(Amount::scatter, rows, {{o[0], bytes_of(extent(o[0]))}, {o[1], bytes_of(larger)}}, amounts);
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
        describe_rows(Amount::add, rows, {{o[0], bytes}, {o[1], bytes}}, amounts);
        break;
      }
      case Operation::multiply: {
        const double bytes = bytes_of(extent(o[2]));
        const auto rows = static_cast<double>(extent(o[2]).pixels());
        describe_rows(Amount::add, rows, {{o[0], bytes}, {o[1], bytes_of(extent(o[1]))}, {o[2], bytes}}, amounts);
        break;
      }
      case Operation::add: {
        const double bytes = bytes_of(extent(o[2]));
        const auto rows = static_cast<double>(extent(o[2]).pixels());
        if (o[1] < 0)
          describe_rows(Amount::add, rows, {{o[0], bytes}, {o[2], bytes}}, amounts);
        else
          describe_rows(Amount::add, rows, {{o[0], bytes}, {o[1], bytes}, {o[2], bytes}}, amounts);
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
        amounts.add_levels(Amount::gather, bytes * setting_.even(), bytes + since(o[0]), setting_);
        use(o[0], bytes);
        use(o[1], bytes);
        break;
      }
      case Operation::scatter: {
        const double bytes = bytes_of(extent(o[1]));
        describe_rows(Amount::scatter, static_cast<double>(extent(o[1]).pixels()),
                      {{o[0], share(o[2]) * bytes}, {o[1], bytes}}, amounts);
        break;
      }
      case Operation::scatter_add: {
        if (pixels(o[2]) <= 0) break;
        const double bytes = share(o[2]) * bytes_of(extent(o[1]));
        const int32_t shortcut = o[4] < 0 ? o[1] : o[4];
        describe_rows(Amount::add, pixels(o[2]), {{o[0], bytes}, {shortcut, bytes}, {o[1], bytes}}, amounts);
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

  double by_image(const Extent& map) const { return std::max(setting_.even(), 1.0 / map.batch); }

  // From the map of its first operand to that of its second.
  void describe_window(const int32_t* o, double pooled_bytes, double share, Amounts& amounts) const {
    const double read = bytes_of(extent(o[0])), written = bytes_of(extent(o[1]));
    amounts.add(Amount::pool, pooled_bytes * share);
    amounts.add_levels(Amount::read, read * share, read + since(o[0]), setting_);
    amounts.add_levels(Amount::write, written * share, written + since(o[1]), setting_);
    use(o[0], read);
    use(o[1], written);
  }

  // A pass over rows that moves so many bytes of each of some maps.
  struct Moved {
    int32_t map;
    double bytes;
  };
  void describe_rows(Amount kind, double rows, std::initializer_list<Moved> moved, Amounts& amounts) const {
    amounts.add(Amount::passes, 1);
    amounts.add(Amount::items, rows / limits::chunk_rows * setting_.even());
    amounts.add(Amount::rows, rows * setting_.even());
    for (const Moved& one : moved) 
      amounts.add_levels(kind, one.bytes * setting_.even(), one.bytes + since(one.map), setting_);
    for (const Moved& one : moved) use(one.map, one.bytes);
  }

  // The activation of a pass over rows.
  void describe_curve(int32_t activation, double rows, int channels, Amounts& amounts) const {
    if (!curved(static_cast<Activation>(activation))) return;
    amounts.add(Amount::curved, rows * std::ceil(static_cast<double>(channels) / setting_.shape.lanes) * setting_.even());
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
    const double bytes = float_bytes * outside * map.channels;
    describe_rows(Amount::add, outside, {{o[0], bytes}, {o[0], bytes}}, amounts);
    describe_curve(o[2], outside, map.channels, amounts);
  }

  void describe_attention(const int32_t* o, Description& description) const {
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
    if (attention.mean) read_pooled(by_image(plane), since(o[0]));
    if (attention.maximum) read_pooled(by_image(plane), attention.mean ? 0 : since(o[0]));
    if (attention.spatial) read_pooled(setting_.even(), 0);
    describe_rows(Amount::add, scaled, {{o[0], scaled * row}, {o[0], scaled * row}}, amounts);
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

  const Session& session_;
  const Program& program_;
  const DescribeSetting& setting_;
  const RegionCounts& counts_;
  Traffic& traffic_;
};

void Program::describe(const Session& session, const DescribeSetting& setting, const RegionCounts& counts,
                       std::vector<Description>& descriptions) const {
  descriptions.assign(instruction_count(), Description{});
  Traffic traffic(buffer_sizes_.size());
  const ProgramDescriber describer(session, *this, setting, counts, traffic);
  for (int at = 0; at < instruction_count();) at += describer.describe(at, descriptions.data() + at);
}

}  // namespace fovea
