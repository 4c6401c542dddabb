// Describes attention over pixels: counts the work of the loops in pixel_attention.cc.
#include <cmath>

#include "infer/program_describer.h"

namespace fovea {

namespace {

// Rows times a packed matrix that is near.
void describe_product(double tiles, double rows, double steps, const Panels& panels, double share, Amounts& amounts) {
  double sums = 0, narrow_rows = 0;
  const double of_tile = rows / tiles;
  for (long p = 0; p < panels.count(); p++) {
    sums += std::max(of_tile * panels.vectors(p), sums_that_hide);
    if (panels.vectors(p) == 1) narrow_rows += of_tile;
  }
  amounts.add(Amount::multiply_adds, tiles * steps * sums * share);
  for (const Arrival& arrival : arrivals) amounts.add(arrival.amount, tiles * steps * sums * share);
  amounts.add(Amount::narrow_rows, tiles * steps * narrow_rows * share);
  amounts.add(Amount::tile_calls, tiles * static_cast<double>(panels.count()) * share);
}

double tiles_of(long rows, long together, int tile_rows) {
  const auto tiles = [&](long count) { return count > 0 ? share_rows(static_cast<int>(count), tile_rows).tiles() : 0; };
  return static_cast<double>(rows / together) * tiles(together) + tiles(rows % together);
}

}  // namespace

void ProgramDescriber::describe_pixel_attention(const int32_t* o, Amounts& amounts) const {
  const PixelAttention attention = pixel_attention(o);
  const AttendedExtents maps = program_.attended_extents(o);
  const AttendedWork work(attention, maps, setting_.shape);
  const auto units = static_cast<double>(work.units), keys = static_cast<double>(work.keys);
  const auto queries = static_cast<double>(work.queries);
  const double depth = attention.depth, width = attention.width, even = setting_.even();
  const double by_unit = std::max(even, 1 / units), packing = work.at_once ? even : by_unit;
  const auto tiles = [&](long rows) { return tiles_of(rows, work.rows, setting_.shape.tile_rows); };
  amounts.add(Amount::passes, work.at_once ? 1 : 2);
  amounts.add(Amount::items, (units + (work.at_once ? 0 : units * static_cast<double>(work.blocks))) * even);
  const auto copied = [&](double values, double share) { amounts.add(Amount::copy, 2 * float_bytes * values * share); };
  switch (attention.by) {
    case Weighting::softmax: {
      copied(units * keys * (depth + width), packing);
      describe_product(units * tiles(work.queries), units * queries, depth, work.key_panels, even, amounts);
      describe_product(units * tiles(work.queries), units * queries, keys, work.value_panels, even, amounts);
      amounts.add(Amount::elements, units * queries * (keys + width) * even);
      // A row of products is gone through for its largest, for powers and to scale these, and for the bias; a key and its
      // values are packed.
      amounts.add(Amount::rows, units * (queries * (attention.bias < 0 ? 3 : 4) * even + 2 * keys * packing));
      amounts.add(Amount::curved, units * queries * std::ceil(keys / setting_.shape.lanes) * even);
      break;
    }
    case Weighting::linear:
      copied(units * keys * (depth + width), by_unit);
      describe_product(units * tiles(attention.depth), units * depth, keys, work.value_panels, by_unit, amounts);
      copied(units * queries * (depth + width), even);
      describe_product(units * tiles(work.queries), units * queries, depth, work.value_panels, even, amounts);
      amounts.add(Amount::elements, units * (queries * width * even + depth * width * by_unit));
      break;
    default:
      amounts.add(Amount::curved, units * std::ceil(keys / setting_.shape.lanes) * by_unit);
      amounts.add(Amount::pool, float_bytes * units * keys * width * by_unit);
      amounts.add(Amount::rows, units * queries * even);
      break;
  }
  const double all = attention.heads * float_bytes;
  const auto read = [&](int operand, const Extent& map, double channels) {
    const double bytes = all * channels * static_cast<double>(map.pixels());
    amounts.add_levels(Amount::read, bytes * even, bytes + since(o[operand]), setting_);
    use(o[operand], bytes);
  };
  if (o[0] >= 0) read(0, maps.query, depth);
  read(1, maps.key, depth);
  read(2, maps.value, width);
  const double written = bytes_of(extent(o[3]));
  amounts.add_levels(Amount::write, written * even, written + since(o[3]), setting_);
  use(o[3], written);
}

}  // namespace fovea
