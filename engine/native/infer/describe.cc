// Describes a program instruction by instruction; the counterpart of `execute` in program.cc.
#include <cmath>

#include "infer/program_describer.h"
#include "infer/stream.h"
#include "infer/winograd.h"

namespace fovea {

namespace {

double squares_of(const Extent& map) {
  return static_cast<double>(map.batch) * ((map.height + 1) / 2) * ((map.width + 1) / 2);
}

// Pairs of rows or columns, aligned to even ones, that `cells` stretches of them have; `first(i)`: where one begins.
template <class First>
double pairs_of(int cells, First first) {
  double pairs = 0;
  for (int i = 0; i < cells; i++) pairs += (first(i + 1) - 1) / 2 - first(i) / 2 + 1;
  return pairs;
}

// The squares of all cells of a mask, each cell's by itself.
double squares_of(const Mask& mask) {
  return mask.batch * pairs_of(mask.rows, [&](int row) { return mask.first_row(row); }) *
         pairs_of(mask.columns, [&](int column) { return mask.first_column(column); });
}

}  // namespace

int ProgramDescriber::describe(int at, Description* descriptions) const {
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

double ProgramDescriber::rate(int mask) const {
  for (size_t i = 0; i < program_.regions_.size(); i++)
    if (program_.region_sources_[i].mask == mask && program_.region_sources_[i].parent < 0)
      return share(static_cast<int32_t>(i));
  return 1;
}

double ProgramDescriber::runs(int32_t index) const {
  const Mask& mask = mask_of(index);
  if (region(index).by_cells) return share(index) * mask.batch * mask.height * mask.columns;
  const double likely = std::min(rate(program_.region_sources_[index].mask), 0.5);
  return likely * (1 - likely) * mask.batch * mask.height * mask.columns;
}

double ProgramDescriber::read_pixels(int32_t index, int32_t convolution, const Extent& input) const {
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

DescribedPass ProgramDescriber::convolution_at(const int32_t* o, bool whole_map) const {
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
  if (d.residual) {
    d.residual_since = since(o[7]);
    d.in_place = program_.maps_[o[7]].buffer == program_.maps_[o[2]].buffer;
  }
  if (o[3] >= 0) {
    const Region& r = region(o[3]);
    d.pass.output = {r.batch, r.height, r.width, d.pass.output.channels};
  }
  const auto all = static_cast<double>(d.pass.output.pixels());
  const bool partial = o[3] >= 0 && !whole_map;
  d.pixels = partial ? pixels(o[3]) : all;
  d.expected = partial && expected(o[3]) && d.pixels < all;
  const bool by_cells = partial && region(o[3]).by_cells;
  if (partial && (by_cells || d.pixels < all || expected(o[3]))) d.runs = runs(o[3]);
  const auto input_pixels = static_cast<double>(d.pass.input.pixels());
  const bool strided = d.pass.convolution->geometry.taps() == 1;
  d.input_pixels = std::min(input_pixels, d.pixels < all ? read_pixels(o[3], o[0], d.pass.input)
                                          : strided     ? all
                                                        : input_pixels);
  d.pass.count = d.expected ? d.pass.output.pixels() : std::lround(d.pixels);
  if (computes_squares(*d.pass.convolution, o)) {
    const double all_squares = by_cells ? squares_of(mask_of(o[3])) : squares_of(d.pass.output);
    d.squares = by_cells  ? share(o[3]) * all_squares
                : partial ? std::clamp(counts_.squares[o[3]], 0.0, all_squares)
                          : all_squares;
    const double squares = d.expected ? all_squares : d.squares;
    if (winograd_pays(squares, static_cast<double>(d.pass.count))) d.pass.squares = std::lround(squares);
  }
  return d;
}

void ProgramDescriber::use_all(const int32_t* o, const DescribedPass& d) const {
  const double input_pixel = float_bytes * d.pass.input.channels, output_pixel = float_bytes * d.pass.output.channels;
  if (!d.input_streamed) use(o[1], input_pixel * d.input_pixels);
  if (!d.output_streamed) use(o[2], output_pixel * d.pixels);
  if (d.residual && !d.in_place) use(o[7], output_pixel * d.pixels);
  traffic_.weigh(float_bytes * static_cast<double>(d.pass.squares > 0 ? d.pass.convolution->winograd_values
                                                                     : d.pass.convolution->weight_values));
}

void ProgramDescriber::describe_convolve(const int32_t* o, Description& description) const {
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

void ProgramDescriber::describe_stream_at(int at, int count, Description* descriptions) const {
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
  const auto buffer_of = [&](int32_t map) { return program_.maps_[map].buffer; };
  const bool in_place = buffer_of(operands(0)[1]) == buffer_of(operands(writers - 1)[2]);
  describe_stream(setting_, passes, writers, in_place, descriptions);
  for (int i = 0; i < writers; i++) use_all(operands(i), passes[i]);
}

void Program::describe(const Session& session, const DescribeSetting& setting, const RegionCounts& counts,
                       std::vector<Description>& descriptions) const {
  descriptions.assign(instruction_count(), Description{});
  Traffic traffic(buffer_sizes_.size(), setting.run_bytes);
  // The input among them, just before the run.
  for (size_t map = 0; map < maps_.size(); map++)
    if (written_by_script_[map]) traffic.touch(maps_[map].buffer);
  const ProgramDescriber describer(session, *this, setting, counts, traffic);
  for (int at = 0; at < instruction_count();) at += describer.describe(at, descriptions.data() + at);
}

}  // namespace fovea
