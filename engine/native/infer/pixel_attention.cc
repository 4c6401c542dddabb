#include "infer/pixel_attention.h"

#include <algorithm>
#include <cstring>

namespace fovea {

namespace {

// The pixels of one unit: those at one place of all patches of an image or in one window, and its channels there.
class Pixels {
 public:
  Pixels(const PixelAttention& attention, const Extent& map, const HeadChannels& channels, long unit)
      : height_(map.height), width_(map.width), channels_(map.channels) {
    const long places = attention.places(map), head = unit % attention.heads, place = unit / attention.heads % places;
    const long image = unit / attention.heads / places;
    first_ = image * height_ * width_ * channels_ + channels.first + head * channels.step;
    if (attention.in_windows()) {
      const long across = width_ / attention.window_width;
      columns_ = attention.window_width;
      top_ = place / across * attention.window_height + attention.shift_y;
      left_ = place % across * attention.window_width + attention.shift_x;
      down_ = right_ = 1;
      two_sided_ = top_ + attention.window_height > height_ || left_ + attention.window_width > width_;
    } else {
      columns_ = width_ / attention.patch_width;
      top_ = place / attention.patch_width;
      left_ = place % attention.patch_width;
      down_ = attention.patch_height;
      right_ = attention.patch_width;
    }
  }
  // Calls body(i, place) for `count` pixels from `first` on, where the channels of each begin in the map.
  template <class Body>
  void each(long first, long count, Body body) const {
    long row = first / columns_, column = first % columns_;
    for (long i = 0; i < count; i++) {
      long y = top_ + row * down_, x = left_ + column * right_;
      if (y >= height_) y -= height_;
      if (x >= width_) x -= width_;
      body(i, first_ + (y * width_ + x) * channels_);
      if (++column == columns_) {
        column = 0;
        row++;
      }
    }
  }
  // Whether they lie at more than one edge of the map.
  bool two_sided() const { return two_sided_; }
  // Adds to the products of query `i` with keys, `rows` of them in the window, where those lie at another edge.
  void add_apart(float apart, long i, long rows, float* products) const {
    const bool below = top_ + i / columns_ >= height_, beyond = left_ + i % columns_ >= width_;
    const long split = std::clamp<long>(width_ - left_, 0, columns_);
    for (long row = 0; row < rows; row++, products += columns_) {
      const bool all = (top_ + row >= height_) != below;
      const long first = all || beyond ? 0 : split, last = all || !beyond ? columns_ : split;
      for (long column = first; column < last; column++) products[column] += apart;
    }
  }

 private:
  long height_, width_, channels_, columns_, first_, top_, left_, down_, right_;
  bool two_sided_ = false;
};

// Rows times a packed matrix: each row is read at `input_offset` on, `channels` values, and `output` is written from
// `output_offset` on.
struct Product {
  const float* const* input;
  long input_offset;
  long channels;
  const float* weight;
  float* const* output;
  long output_offset;
};

void multiply_rows(const Machine& machine, const Panels& panels, int rows, const Product& product) {
  const KernelTable& kernels = *machine.kernels;
  // Initial sums of the widest panel.
  constexpr int most = 64;
  alignas(64) static const float zeros[most] = {};
  static_assert(max_tile_vectors * 16 <= most, "as many lanes as any instruction set has");
  const TileRuns runs = share_rows(rows, kernels.tile_rows);
  TileArguments tile{};
  tile.taps = tile.taps_of_row = 1;
  tile.channels = product.channels;
  tile.input_offset = product.input_offset;
  tile.bias = zeros;
  tile.weight = product.weight;
  for (long p = 0; p < panels.count(); p++) {
    tile.columns = panels.columns(p);
    tile.output_offset = product.output_offset + panels.first(p);
    fetch_ahead(tile, panels.width(p), runs.tiles());
    for (const TileRun& run : runs) {
      tile.tiles = run.tiles;
      tile.input = product.input + run.first_row;
      tile.output = product.output + run.first_row;
      kernels.tile[panels.vectors(p) - 1][run.rows - 1](tile);
    }
    tile.weight += panels.width(p) * product.channels;
  }
}

// Values of keys as a matrix of a row for each key; by linear weights with a column of ones behind them.
void pack_values(const AttendedWork& work, const PixelAttention& attention, const Pixels& pixels, const float* map,
                 float* packed) {
  const Panels& panels = work.value_panels;
  for (long p = 0; p < panels.count(); p++) {
    const long first = panels.first(p), width = panels.width(p);
    const long given = std::clamp<long>(attention.width - first, 0, width);
    pixels.each(0, work.keys, [&](long i, long place) {
      float* row = packed + i * width;
      std::memcpy(row, map + place + first, sizeof(float) * given);
      std::fill(row + given, row + width, 0.0f);
      if (attention.by == Weighting::linear && given < panels.columns(p)) row[given] = 1;
    });
    packed += work.keys * width;
  }
}

// Keys as a matrix of a column for each key.
void pack_keys(const AttendedWork& work, const PixelAttention& attention, const Pixels& pixels, const float* map,
               float* packed) {
  const Panels& panels = work.key_panels;
  for (long p = 0; p < panels.count(); p++) {
    const long width = panels.width(p), given = panels.columns(p);
    pixels.each(panels.first(p), given, [&](long j, long place) {
      const float* key = map + place;
      for (long d = 0; d < attention.depth; d++) packed[d * width + j] = key[d] * attention.scale;
    });
    for (long d = 0; d < attention.depth; d++) std::fill(packed + d * width + given, packed + (d + 1) * width, 0.0f);
    packed += width * attention.depth;
  }
}

// By softmax: the keys and values of a unit, packed.
struct SoftmaxUnit {
  float *keys, *values;
  SoftmaxUnit(const AttendedWork& work, const PixelAttention& attention, float* unit)
      : keys(unit), values(unit + work.key_panels.width() * attention.depth) {}
};

void attend_softmax(const Machine& machine, const AttendedWork& work, const PixelAttention& attention, const Pixels& queries,
                    const Pixels& outputs, const AttendedMaps& maps, float* unit, long unit_number, long first, int rows,
                    int thread, float* destination) {
  Scratch& scratch = machine.scratch[thread];
  const SoftmaxUnit packed(work, attention, unit);
  const long pitch = work.key_panels.width();
  float* scores = scratch.attended.data();
  queries.each(first, rows, [&](long i, long place) {
    scratch.taps[i] = maps.query + place;
    scratch.outputs[i] = scores + i * pitch;
  });
  multiply_rows(machine, work.key_panels, rows,
                {scratch.taps.data(), 0, attention.depth, packed.keys, scratch.outputs.data(), 0});
  for (int i = 0; i < rows; i++) {
    float* row = scores + i * pitch;
    if (maps.bias) {
      const long head = unit_number % attention.heads;
      machine.kernels->accumulate(maps.bias + (head * work.queries + first + i) * work.keys, row, work.keys);
    }
    if (attention.apart != 0 && queries.two_sided())
      queries.add_apart(attention.apart, first + i, attention.window_height, row);
    machine.kernels->softmax(row, work.keys);
    scratch.taps[i] = row;
  }
  outputs.each(first, rows, [&](long i, long place) { scratch.outputs[i] = destination + place; });
  multiply_rows(machine, work.value_panels, rows,
                {scratch.taps.data(), 0, work.keys, packed.values, scratch.outputs.data(), 0});
}

// By linear weights: the keys of a unit as a row for each channel, its values, and the products of both, packed.
struct LinearUnit {
  float *keys, *values, *products;
  LinearUnit(const AttendedWork& work, const PixelAttention& attention, float* unit)
      : keys(unit), values(keys + work.keys * attention.depth), products(values + work.keys * work.value_panels.width()) {}
};

void sum_linear(const Machine& machine, const AttendedWork& work, const PixelAttention& attention, const Pixels& keys,
                const Pixels& values, const AttendedMaps& maps, float* unit, int thread) {
  Scratch& scratch = machine.scratch[thread];
  const LinearUnit own(work, attention, unit);
  keys.each(0, work.keys, [&](long i, long place) {
    const float* key = maps.key + place;
    // In this order a NaN remains one.
    for (long d = 0; d < attention.depth; d++) own.keys[d * work.keys + i] = std::max(key[d], 0.0f);
  });
  pack_values(work, attention, values, maps.value, own.values);
  const Panels& panels = work.value_panels;
  for (long first = 0; first < attention.depth; first += work.rows) {
    const int rows = static_cast<int>(std::min(work.rows, attention.depth - first));
    for (long p = 0, before = 0; p < panels.count(); before += panels.width(p++)) {
      for (int i = 0; i < rows; i++) {
        scratch.taps[i] = own.keys + (first + i) * work.keys;
        scratch.outputs[i] = own.products + before * attention.depth + (first + i) * panels.width(p);
      }
      const Panels alone(panels.width(p), *machine.kernels);
      multiply_rows(machine, alone, rows,
                    {scratch.taps.data(), 0, work.keys, own.values + before * work.keys, scratch.outputs.data(), 0});
    }
  }
}

void attend_linear(const Machine& machine, const AttendedWork& work, const PixelAttention& attention, const Pixels& queries,
                   const Pixels& outputs, const AttendedMaps& maps, float* unit, long first, int rows, int thread,
                   float* destination) {
  Scratch& scratch = machine.scratch[thread];
  const LinearUnit own(work, attention, unit);
  const long pitch = work.value_panels.width();
  float *positive = scratch.attended.data(), *sums = positive + work.rows * attention.depth;
  queries.each(first, rows, [&](long i, long place) {
    const float* query = maps.query + place;
    float* row = positive + i * attention.depth;
    for (long d = 0; d < attention.depth; d++) row[d] = std::max(query[d], 0.0f);
    scratch.taps[i] = row;
    scratch.outputs[i] = sums + i * pitch;
  });
  multiply_rows(machine, work.value_panels, rows,
                {scratch.taps.data(), 0, attention.depth, own.products, scratch.outputs.data(), 0});
  outputs.each(first, rows, [&](long i, long place) {
    const float* row = sums + i * pitch;
    float* output = destination + place;
    const float share = 1 / (row[attention.width] + attention.epsilon);
    for (long c = 0; c < attention.width; c++) output[c] = row[c] * share;
  });
}

// The context of a unit: the sum of all values, weighed by their keys. `unit`: weights, then four rows.
void sum_context(const Machine& machine, const AttendedWork& work, const PixelAttention& attention, const Pixels& keys,
                 const Pixels& values, const AttendedMaps& maps, float* unit) {
  float *weights = unit, *sum = weights + work.keys, *mixed = sum + attention.width, *nothing = mixed + attention.width;
  keys.each(0, work.keys, [&](long i, long place) { weights[i] = maps.key[place] * attention.scale; });
  machine.kernels->softmax(weights, work.keys);
  std::fill(sum, nothing + attention.width, 0.0f);
  constexpr long together = 4;
  for (long i = 0; i < work.keys; i += together) {
    const float* rows[together];
    float shares[together];
    std::fill(rows, rows + together, nothing);
    std::fill(shares, shares + together, 0.0f);
    values.each(i, std::min(together, work.keys - i), [&](long k, long place) {
      rows[k] = maps.value + place;
      shares[k] = weights[i + k];
    });
    machine.kernels->mix(rows, shares, mixed, attention.width);
    machine.kernels->accumulate(mixed, sum, attention.width);
  }
}

constexpr long context_rows = 3;

long unit_values_of(const PixelAttention& attention, const AttendedWork& work) {
  switch (attention.by) {
    case Weighting::softmax:
      return work.key_panels.width() * attention.depth + work.value_panels.width() * work.keys;
    case Weighting::linear:
      return (work.keys + work.value_panels.width()) * attention.depth + work.value_panels.width() * work.keys;
    default:
      return work.keys + context_rows * attention.width;
  }
}

long thread_values_of(const PixelAttention& attention, const AttendedWork& work) {
  switch (attention.by) {
    case Weighting::softmax:
      return work.rows * work.key_panels.width() + (work.at_once ? work.unit_values : 0);
    case Weighting::linear:
      return work.rows * (attention.depth + work.value_panels.width());
    default:
      return 0;
  }
}

}  // namespace

PixelAttention pixel_attention(const int32_t* o) {
  PixelAttention attention{static_cast<Weighting>(o[4]), o[5], o[6], o[7], {o[8], o[9]}, {o[10], o[11]}, {o[12], o[13]},
                           0, 0, o[16], o[17], o[18], o[19], o[20], o[21], 0, o[23]};
  std::memcpy(&attention.scale, o + 14, sizeof(float));
  std::memcpy(&attention.epsilon, o + 15, sizeof(float));
  std::memcpy(&attention.apart, o + 22, sizeof(float));
  return attention;
}

AttendedWork::AttendedWork(const PixelAttention& attention, const AttendedExtents& maps, const TileShape& shape)
    : units(attention.units(maps.key)),
      keys(attention.seen(maps.key)),
      queries(attention.seen(maps.query)),
      key_panels(keys, shape),
      value_panels(attention.width + (attention.by == Weighting::linear ? 1 : 0), shape) {
  const long tile = shape.tile_rows, most = limits::attended_tiles * tile;
  const long fitting = attention.by == Weighting::softmax ? limits::attended_values / key_panels.width() : most;
  rows = std::clamp(fitting - fitting % tile, tile, most);
  blocks = (queries + rows - 1) / rows;
  // Of windows there are many.
  at_once = attention.by == Weighting::softmax && (blocks == 1 || attention.in_windows());
  unit_values = unit_values_of(attention, *this);
  thread_values = thread_values_of(attention, *this);
}

void attend_pixels(const Machine& machine, const PixelAttention& attention, const AttendedMaps& maps, float* scratch,
                   float* destination) {
  const AttendedExtents& extents = maps.extents;
  const AttendedWork work(attention, extents, *machine.kernels);
  const Extent& seen = attention.has_queries() ? extents.query : extents.key;
  const Extent output{seen.batch, seen.height, seen.width, attention.heads * attention.width};
  const HeadChannels written{0, attention.width};
  const auto pack_softmax = [&](long unit, float* own) {
    const SoftmaxUnit packed(work, attention, own);
    pack_keys(work, attention, Pixels(attention, extents.key, attention.key, unit), maps.key, packed.keys);
    pack_values(work, attention, Pixels(attention, extents.value, attention.value, unit), maps.value, packed.values);
  };
  const auto prepare = [&](long unit, int thread) {
    const Pixels keys(attention, extents.key, attention.key, unit);
    const Pixels values(attention, extents.value, attention.value, unit);
    float* own = scratch + unit * work.unit_values;
    switch (attention.by) {
      case Weighting::softmax:
        return pack_softmax(unit, own);
      case Weighting::linear:
        return sum_linear(machine, work, attention, keys, values, maps, own, thread);
      default:
        return sum_context(machine, work, attention, keys, values, maps, own);
    }
  };
  const auto attend = [&](long unit, long block, int thread, float* own) {
    const long first = block * work.rows;
    const int rows = static_cast<int>(std::min(work.rows, work.queries - first));
    const Pixels queries(attention, seen, attention.query, unit), outputs(attention, output, written, unit);
    switch (attention.by) {
      case Weighting::softmax:
        return attend_softmax(machine, work, attention, queries, outputs, maps, own, unit, first, rows, thread, destination);
      case Weighting::linear:
        return attend_linear(machine, work, attention, queries, outputs, maps, own, first, rows, thread, destination);
      default:
        outputs.each(first, rows, [&](long, long place) {
          std::memcpy(destination + place, own + work.keys, sizeof(float) * attention.width);
        });
    }
  };
  if (work.at_once) {
    machine.pool->for_each(machine.threads, work.units, machine.stop, [&](long unit, int thread) {
      // Behind the thread's products.
      float* own = machine.scratch[thread].attended.data() + work.rows * work.key_panels.width();
      pack_softmax(unit, own);
      for (long block = 0; block < work.blocks; block++) attend(unit, block, thread, own);
    });
  } else {
    machine.pool->for_each(machine.threads, work.units, machine.stop, [&](long unit, int thread) { prepare(unit, thread); });
    machine.pool->for_each(machine.threads, work.units * work.blocks, machine.stop, [&](long item, int thread) {
      const long unit = item / work.blocks;
      attend(unit, item % work.blocks, thread, scratch + unit * work.unit_values);
    });
  }
}

}  // namespace fovea
