#include "infer/program.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "common/error.h"
#include "infer/handover.h"
#include "infer/stream.h"
#include "infer/winograd.h"

namespace fovea {

namespace {

// How long the threads of a sleeping pool take until all of them run, each on its own core, ms.
constexpr double waking_ms = 0.3;

Layout layout_of(int32_t value) { return static_cast<Layout>(value); }

}  // namespace

bool computes_squares(const PackedConvolution& convolution, const int32_t* operands) {
  return convolution.winograd_values > 0 && operands[4] == 0 && layout_of(operands[5]) != Layout::packed;
}

Program::Program(const Session& session, ProgramTables tables) {
  check_tables(session, tables);
  instructions_ = std::move(tables.instructions);
  orders_ = std::move(tables.orders);
  for (int at = 0; at < instruction_count(); at++) check_instruction(session, at);
  check_values(tables);
  milliseconds_.assign(instruction_count(), 0);
  paces_.assign(instruction_count(), 0);
  tallies_.assign(instruction_count(), {});
}

const Program::MapReference& Program::map(int index) const {
  if (index < 0 || index >= static_cast<int>(maps_.size()))
    reject("map " + std::to_string(index) + ": the program has " + std::to_string(maps_.size()));
  return maps_[index];
}

Mask& Program::mask(int index) {
  if (index < 0 || index >= static_cast<int>(masks_.size()))
    reject("mask " + std::to_string(index) + ": the program has " + std::to_string(masks_.size()));
  return masks_[index];
}

size_t Program::cell_count() const {
  size_t count = 0;
  for (const Mask& mask : masks_) count += mask.cell_count();
  return count;
}

void Program::run(Session& session, const Machine& machine, int first, int last, Pace* pace, bool counted,
                  const std::function<void(int)>& on_progress) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  };
  // What measuring takes is more than the pace: caches are warmed and threads are woken for it.
  const auto measured = [&] {
    if (!pace) return 0.0;
    const auto start = Clock::now();
    const double milliseconds = pace->measure(machine);
    pacing_ += since(start);
    return milliseconds;
  };
  const auto take_tally = [&] {
    Tally sum{};
    for (int thread = 0; thread < machine.threads; thread++) {
      sum += machine.scratch[thread].tally;
      machine.scratch[thread].tally = {};
    }
    return sum;
  };
  if (counted) take_tally();
  if (first == 0) pacing_ = 0;
  // The first measurements would otherwise include threads waking up and being moved to a core of their own.
  for (double woken = 0; pace && woken < waking_ms;) woken += measured();
  if (pace && first == 0) {
    const auto start = Clock::now();
    handover_ = measure_handover(*machine.pool, machine.threads);
    pacing_ += since(start);
  }
  double pace_before = measured();
  auto before = Clock::now();
  int at = first;
  while (at < last && !machine.stop->load(std::memory_order_relaxed)) {
    const int32_t* words = instructions_.data() + static_cast<long>(at) * instruction_words;
    int done = 1;
    if (static_cast<Operation>(words[0]) == Operation::stream) {
      // The time of its passes is reported at the stream instruction.
      const int count = std::min(words[1], last - at - 1);
      Machine streaming = machine;
      if (words[2] > 0) streaming.band_pixels = words[2];
      run_stream(session, streaming, at + 1, count);
      for (int i = 1; i <= count; i++) milliseconds_[at + i] = paces_[at + i] = 0;
      done += count;
    } else {
      execute(session, machine, words);
    }
    auto now = Clock::now();
    milliseconds_[at] = std::chrono::duration<double, std::milli>(now - before).count();
    if (counted) tallies_[at] = take_tally();
    if (pace) {
      const double pace_after = measured();
      paces_[at] = (pace_before + pace_after) / 2;
      pace_before = pace_after;
      now = Clock::now();
    }
    before = now;
    at += done;
    on_progress(at);
  }
}

void Program::execute(Session& session, const Machine& machine, const int32_t* words) {
  const int32_t* o = words + 1;
  const auto data = [&](int32_t index) -> float* {
    return index < 0 ? nullptr : session.buffer(maps_[index].buffer);
  };
  const auto extent = [&](int32_t index) { return maps_[index].extent; };
  switch (static_cast<Operation>(words[0])) {
    case Operation::convolve: {
      ConvolutionPass pass{};
      if (prepare_convolution(session, machine, o, pass)) convolve(machine, pass);
      return;
    }
    case Operation::max_pool:
    case Operation::average_pool:
      return run_window(session, machine, words);
    case Operation::global_pool:
      return global_pool(machine, extent(o[0]), data(o[0]), Layout::map, nullptr, Pooling::mean, data(o[1]));
    case Operation::copy_channels:
      return copy_channels(machine, extent(o[0]), data(o[0]), o[2], o[3], extent(o[1]), data(o[1]), o[4]);
    case Operation::resize:
      return resize(machine, static_cast<Interpolation>(o[2]), extent(o[0]), data(o[0]), extent(o[1]), data(o[1]));
    case Operation::normalise_map:
      return normalise_map(machine, map_normalisation(o), extent(o[0]), data(o[0]), session.passing(), data(o[1]));
    case Operation::pixel_attention: {
      const PixelAttention attention = pixel_attention(o);
      const float* bias = attention.bias < 0 ? nullptr : session.bias(attention.bias).values.data();
      return attend_pixels(machine, attention, {attended_extents(o), data(o[0]), data(o[1]), data(o[2]), bias},
                           session.passing(), data(o[3]));
    }
    case Operation::multiply:
      return multiply(machine, extent(o[0]), data(o[0]), extent(o[1]), data(o[1]), data(o[2]));
    case Operation::add:
      return run_add(session, machine, words, 0, extent(o[2]).pixels());
    case Operation::grid_pool: {
      const GridPool pool = grid_pool(session, o);
      return pool_rows(machine, pool, 0, pool.grid_rows());
    }
    case Operation::decide: {
      const Masker& masker = session.masker(o[1]);
      const int channels = maps_[o[2]].extent.channels;
      if (masker.kind == Masker::Kind::learned)
        return decide_learned(machine, data(o[2]), channels, masker.weight.data(), masker.bias, masks_[o[0]]);
      return decide_salient(machine, data(o[2]), channels, masker.rate, masks_[o[0]]);
    }
    case Operation::index:
      return build_index(session, o[0]);
    case Operation::gather:
      return gather(machine, halos_[o[2]], extent(o[0]), data(o[0]), data(o[1]));
    case Operation::scatter:
      return scatter(machine, regions_[o[2]], extent(o[1]).channels, data(o[0]), data(o[1]));
    case Operation::scatter_add:
      return run_add(session, machine, words, 0, regions_[o[2]].count());
    case Operation::activate: {
      const Region& region = regions_[o[1]];
      if (region.all) return;
      const auto& pixels = region.others;
      return activate_pixels(machine, pixels.data(), static_cast<long>(pixels.size()), extent(o[0]).channels,
                             data(o[0]), static_cast<Activation>(o[2]));
    }
    case Operation::excite:
      return run_attention(session, machine, o);
    default:
      return;
  }
}

void Program::run_stream(Session& session, const Machine& machine, int at, int count) {
  const auto words = [&](int i) { return instructions_.data() + static_cast<long>(at + i) * instruction_words; };
  const auto operation = [&](int i) { return static_cast<Operation>(words(i)[0]); };
  if (count == 0) return;
  if (operation(0) == Operation::grid_pool) {
    const GridPool pool = grid_pool(session, words(0) + 1);
    ConvolutionPass pass{};
    if (count == 2 && prepare_convolution(session, machine, words(1) + 1, pass)) stream_pooled(machine, pool, pass);
    return;
  }
  const bool pools = operation(count - 1) == Operation::grid_pool;
  const GridPool pool = pools ? grid_pool(session, words(count - 1) + 1) : GridPool{};
  FollowingPool following(machine, pool);
  if (operation(0) == Operation::convolve) {
    ConvolutionPass passes[most_streamed]{};
    const int convolutions = pools ? count - 1 : count;
    // The last one decides: those before it have no pixels either where it reads nothing but zeros around the map.
    bool computes = false;
    for (int i = 0; i < convolutions; i++)
      computes = prepare_convolution(session, machine, words(i) + 1, passes[i]);
    if (computes) stream(machine, passes, convolutions, pools ? &following : nullptr);
  } else {
    const int32_t* o = words(0) + 1;
    const Extent map = maps_[o[operation(0) == Operation::add ? 2 : 1]].extent;
    const Region* region = operation(0) == Operation::add ? nullptr : &regions_[o[2]];
    const int32_t* pixels = region && !region->all ? region->pixels.data() : nullptr;
    const long rows = region ? region->count() : map.pixels();
    const long bands = added_bands(machine.threads, machine.band_pixels, rows, map.channels);
    for (long b = 0; b < bands; b++) {
      const long end = rows * (b + 1) / bands;
      run_add(session, machine, words(0), rows * b / bands, end);
      if (pools) following.advance(final_pixels(pixels, region && region->by_cells, rows, end, map.pixels()));
    }
  }
  // If nothing was active, the map was final before.
  if (pools) following.advance(pool.input.pixels());
}

GridPool Program::grid_pool(Session& session, const int32_t* o) {
  const Mask& mask = masks_[o[2]];
  return {maps_[o[0]].extent, session.buffer(maps_[o[0]].buffer), mask.rows, mask.columns,
          session.buffer(maps_[o[1]].buffer), o[3] < 0 ? nullptr : &masks_[o[3]]};
}

void Program::run_add(Session& session, const Machine& machine, const int32_t* words, long first, long last) {
  const int32_t* o = words + 1;
  const auto data = [&](int32_t index) { return index < 0 ? nullptr : session.buffer(maps_[index].buffer); };
  if (static_cast<Operation>(words[0]) == Operation::add)
    return add_rows(machine, maps_[o[2]].extent.channels, data(o[0]), data(o[1]), data(o[2]),
                    static_cast<Activation>(o[3]), first, last);
  scatter_add(machine, regions_[o[2]], maps_[o[1]].extent.channels, data(o[0]), layout_of(o[5]), data(o[4]),
              data(o[1]), static_cast<Activation>(o[3]), first, last);
}

bool Program::prepare_convolution(Session& session, const Machine& machine, const int32_t* o,
                                  ConvolutionPass& pass) {
  const PackedConvolution& convolution = session.convolution(o[0]);
  pass.convolution = &convolution;
  pass.input = maps_[o[1]].extent;
  pass.source = session.buffer(maps_[o[1]].buffer);
  pass.source_layout = layout_of(o[5]);
  pass.halo = pass.source_layout == Layout::halo ? &halos_[o[9]] : nullptr;
  pass.output = maps_[o[2]].extent;
  pass.destination = session.buffer(maps_[o[2]].buffer);
  pass.destination_layout = layout_of(o[6]);
  pass.residual = o[7] < 0 ? nullptr : session.buffer(maps_[o[7]].buffer);
  pass.activation = static_cast<Activation>(o[8]);
  if (o[3] < 0) {
    pass.count = pass.output.pixels();
  } else {
    const Region& region = regions_[o[3]];
    pass.output = {region.batch, region.height, region.width, pass.output.channels};
    if (region.all) {
      pass.count = o[4] ? 0 : region.map_pixels();
    } else {
      const auto& pixels = o[4] ? region.others : region.pixels;
      pass.pixels = pixels.data();
      pass.count = static_cast<long>(pixels.size());
      if (region.by_cells && !o[4]) pass.cell_ends = &region.cell_ends;
    }
  }
  if (pass.count == 0) return false;
  if (computes_squares(convolution, o)) {
    pass.tiling = o[3] < 0 ? tiling_of(pass.output) : &regions_[o[3]].tiling;
    const auto squares = static_cast<long>(pass.tiling->squares.size());
    if (winograd_pays(static_cast<double>(squares), static_cast<double>(pass.count))) pass.squares = squares;
  }
  if (convolution.form == PackedConvolution::Form::rows) {
    const Geometry& g = convolution.geometry;
    const Extent padded = g.padded(pass.input);
    float* copy = session.passing();
    copy_padded(machine, pass.input, pass.source, g.pad_top, g.pad_left, padded, copy);
    pass.input = padded;
    pass.source = copy;
  }
  return true;
}

Attention Program::attention_at(const Session& session, const int32_t* o) const {
  const auto layer = [&](int32_t index) { return index < 0 ? nullptr : &session.convolution(index); };
  float epsilon;
  std::memcpy(&epsilon, o + 8, sizeof(epsilon));
  return {(o[6] & 1) != 0, (o[6] & 2) != 0, (o[6] & 4) != 0, epsilon, layer(o[3]), layer(o[4]), layer(o[7])};
}

Extent Program::attended_map(const int32_t* o) const {
  const Extent& map = maps_[o[0]].extent;
  if (o[1] < 0) return map;
  const Region& region = regions_[o[1]];
  return {region.batch, region.height, region.width, map.channels};
}

void Program::run_attention(Session& session, const Machine& machine, const int32_t* o) {
  const auto region = [&](int32_t index) { return index < 0 ? nullptr : &regions_[index]; };
  attend(machine, attention_at(session, o), attended_map(o), layout_of(o[2]), region(o[5]), region(o[1]),
         session.buffer(maps_[o[0]].buffer), session.passing());
}

void Program::run_window(Session& session, const Machine& machine, const int32_t* words) {
  const int32_t* o = words + 1;
  const Window window{o[2], o[3], o[4], o[5], o[6], o[7], o[8], o[9], o[10] != 0};
  const auto pool = static_cast<Operation>(words[0]) == Operation::max_pool ? max_pool : average_pool;
  pool(machine, window, maps_[o[0]].extent, session.buffer(maps_[o[0]].buffer), maps_[o[1]].extent,
       session.buffer(maps_[o[1]].buffer));
}

void Program::want_tiling(const Session& session, const PackedConvolution& convolution, const int32_t* o) {
  if (!computes_squares(convolution, o)) return;
  if (o[3] >= 0) {
    Region& region = regions_[o[3]];
    region.wants_tiling = true;
    if (session.runs()) region.tiling.reserve({region.batch, region.height, region.width, 1});
    return;
  }
  const Extent& map = maps_[o[2]].extent;
  if (!session.runs() || tiling_of(map)) return;
  Tiling tiling;
  fill_tiling(map, tiling);
  tilings_.emplace_back(map, std::move(tiling));
}

const Tiling* Program::tiling_of(const Extent& map) const {
  for (const auto& [extent, tiling] : tilings_)
    if (extent.batch == map.batch && extent.height == map.height && extent.width == map.width) return &tiling;
  return nullptr;
}

void Program::build_index(Session& session, int mask) {
  for (size_t i = 0; i < regions_.size(); i++) {
    const RegionSource& source = region_sources_[i];
    if (source.mask != mask) continue;
    if (source.parent < 0)
      fill_from_mask(masks_[mask], regions_[i]);
    else
      fill_receptive(regions_[source.parent], session.convolution(source.convolution).geometry, regions_[i]);
    if (regions_[i].wants_tiling) fill_tiling(regions_[i], regions_[i].tiling);
  }
  for (size_t i = 0; i < halos_.size(); i++)
    if (region_sources_[halo_sources_[i].region].mask == mask)
      fill_halo(masks_[mask], regions_[halo_sources_[i].region], halos_[i]);
}

}  // namespace fovea
