// Checks a program's tables and instructions: a program that passes stays inside its buffers, whatever values they
// hold.
#include <cmath>
#include <limits>

#include "common/error.h"
#include "infer/program.h"

namespace fovea {

namespace {

void require_rows(const std::vector<int32_t>& table, size_t width, const char* what) {
  require(table.size() % width == 0, what, " table of ", table.size(), " values: a multiple of ", width,
          " is accepted");
}

bool same_plane(const Extent& map, const Region& region) {
  return map.batch == region.batch && map.height == region.height && map.width == region.width;
}

}  // namespace

void Program::check_tables(const Session& session, const ProgramTables& tables) {
  require_rows(tables.maps, 5, "map");
  require_rows(tables.masks, 5, "mask");
  require_rows(tables.regions, 6, "region");
  require_rows(tables.halos, 2, "halo");
  require_rows(tables.instructions, instruction_words, "instruction");

  for (size_t i = 0; i < tables.buffers.size(); i++) {
    const double size = tables.buffers[i];
    require(size >= 1 && size <= most_values && size == static_cast<double>(static_cast<int64_t>(size)),
            "buffer ", i, ": its size must be an integer of 1 to 2^32 values");
  }
  buffer_sizes_ = tables.buffers;

  for (size_t i = 0; i < tables.maps.size(); i += 5) {
    const int32_t* m = tables.maps.data() + i;
    require(m[0] >= 0 && m[0] < static_cast<int64_t>(buffer_sizes_.size()), "map ", i / 5, ": no such buffer");
    double values = 1;
    for (int k = 1; k < 5; k++) {
      require(m[k] >= 1, "map ", i / 5, ": extents must be at least 1");
      values *= m[k];
    }
    require(values / m[4] < std::numeric_limits<int32_t>::max(), "map ", i / 5, ": too many pixels");
    require(values <= buffer_sizes_[m[0]], "map ", i / 5, ": larger than its buffer");
    maps_.push_back({m[0], {m[1], m[2], m[3], m[4]}});
    most_channels_ = std::max(most_channels_, m[4]);
  }

  for (size_t i = 0; i < tables.masks.size(); i += 5) {
    const int32_t* m = tables.masks.data() + i;
    Mask mask{m[0], m[1], m[2], m[3], m[4], {}, {}, {}};
    require(m[0] >= 1 && m[1] >= 1 && m[2] >= 1 && m[3] >= m[1] && m[4] >= m[2],
            "mask ", i / 5, ": the grid must have 1 cell to one a pixel along each axis");
    require(static_cast<double>(m[0]) * m[3] * m[4] < std::numeric_limits<int32_t>::max(),
            "mask ", i / 5, ": too many pixels");
    if (session.runs()) {
      mask.cells.assign(mask.cell_count(), 1);
      mask.margins.assign(mask.cell_count(), 0);
      mask.order.resize(static_cast<size_t>(m[1]) * m[2]);
    }
    masks_.push_back(std::move(mask));
  }

  for (size_t i = 0; i < tables.regions.size(); i += 6) {
    const int32_t* r = tables.regions.data() + i;
    require(r[0] >= 0 && r[0] < static_cast<int64_t>(masks_.size()), "region ", i / 6, ": no such mask");
    const Mask& mask = masks_[r[0]];
    Region region{};
    region.batch = mask.batch;
    region.height = r[3];
    region.width = r[4];
    region.wants_others = r[5] != 0;
    require(r[3] >= 1 && r[4] >= 1 &&
                static_cast<double>(mask.batch) * r[3] * r[4] < std::numeric_limits<int32_t>::max(),
            "region ", i / 6, ": height and width must be at least 1, and its pixels fewer than 2^31");
    if (r[1] < 0) {
      require(r[3] == mask.height && r[4] == mask.width, "region ", i / 6, ": must be as large as its mask's map");
    } else {
      require(r[1] < static_cast<int64_t>(regions_.size()), "region ", i / 6, ": its parent must come before it");
      require(region_sources_[r[1]].mask == r[0], "region ", i / 6, ": its parent belongs to another mask");
      const Geometry& g = session.convolution(r[2]).geometry;
      require(g.output_height(r[3]) == regions_[r[1]].height && g.output_width(r[4]) == regions_[r[1]].width,
              "region ", i / 6, ": its convolution does not lead to its parent");
    }
    if (session.runs()) region.reserve();
    regions_.push_back(std::move(region));
    region_sources_.push_back({r[0], r[1], r[2]});
  }

  for (size_t i = 0; i < tables.halos.size(); i += 2) {
    const int32_t* h = tables.halos.data() + i;
    require(h[0] >= 0 && h[0] < static_cast<int64_t>(regions_.size()), "halo ", i / 2, ": no such region");
    require(region_sources_[h[0]].parent < 0, "halo ", i / 2, ": its region must be a mask's own");
    const Geometry& g = session.convolution(h[1]).geometry;
    require(g.dilation_y == 1 && g.dilation_x == 1, "halo ", i / 2, ": the kernel must not be dilated");
    const Mask& mask = masks_[region_sources_[h[0]].mask];
    require(static_cast<double>(Halo::capacity(mask, g)) < std::numeric_limits<int32_t>::max(),
            "halo ", i / 2, ": too many rows");
    Halo halo{g.kernel_height, g.kernel_width, g.stride_y, g.stride_x, g.pad_top, g.pad_left, {}, {}, {}, 0};
    if (session.runs()) {
      halo.cells.reserve(mask.cell_count());
      halo.first_tap.reserve(regions_[h[0]].map_pixels());
      halo.pitch.reserve(regions_[h[0]].map_pixels());
    }
    halos_.push_back(std::move(halo));
    halo_sources_.push_back({h[0], h[1]});
  }
}

// Takes over the order of a mask's cells. Streams of its regions come after it, and are checked by it.
void Program::check_order(const Session& session, int index) {
  const int32_t* o = instructions_.data() + static_cast<long>(index) * instruction_words + 1;
  if (o[1] < 0) return;
  const auto need = [&](bool condition, const auto&... parts) {
    require(condition, "instruction ", index, ": ", parts...);
  };
  Mask& mask = masks_[o[0]];
  const long cells = static_cast<long>(mask.rows) * mask.columns;
  need(o[1] + cells <= static_cast<long>(orders_.size()), "no such order of ", cells, " cells");
  mask.listed.assign(orders_.begin() + o[1], orders_.begin() + o[1] + cells);
  std::vector<char> seen(cells, 0);
  for (const int32_t cell : mask.listed) {
    need(cell >= 0 && cell < cells && !seen[cell], "an order of cells names each of ", cells, " cells once");
    seen[cell] = 1;
  }
  for (size_t i = 0; i < regions_.size(); i++) {
    if (region_sources_[i].mask != o[0] || region_sources_[i].parent >= 0) continue;
    regions_[i].by_cells = true;
    if (session.runs()) regions_[i].cell_ends.reserve(mask.cell_count());
  }
}

void Program::check_instruction(const Session& session, int index) {
  const int32_t* words = instructions_.data() + static_cast<long>(index) * instruction_words;
  const int32_t* o = words + 1;
  const auto need = [&](bool condition, const char* message) {
    require(condition, "instruction ", index, ": ", message);
  };
  const auto map_at = [&](int operand) -> const Extent& {
    need(o[operand] >= 0 && o[operand] < static_cast<int64_t>(maps_.size()), "no such map");
    return maps_[o[operand]].extent;
  };
  const auto region_at = [&](int operand) -> const Region& {
    need(o[operand] >= 0 && o[operand] < static_cast<int64_t>(regions_.size()), "no such region");
    return regions_[o[operand]];
  };
  const auto mask_at = [&](int operand) -> const Mask& {
    need(o[operand] >= 0 && o[operand] < static_cast<int64_t>(masks_.size()), "no such mask");
    return masks_[o[operand]];
  };
  const auto halo_at = [&](int operand) -> const Halo& {
    need(o[operand] >= 0 && o[operand] < static_cast<int64_t>(halos_.size()), "no such halo");
    return halos_[o[operand]];
  };
  const auto check_activation = [&](int operand) {
    need(known(static_cast<Activation>(o[operand])), "no such activation");
  };
  const auto check_others = [&](int operand, const Region& region) {
    need(o[operand] == 0 || (o[operand] == 1 && region.wants_others), "the region does not list its others");
  };
  const auto same = [](const Extent& a, const Extent& b) {
    return a.batch == b.batch && a.height == b.height && a.width == b.width && a.channels == b.channels;
  };
  const auto needs_taps = [&](int64_t taps) {
    need(taps <= most_positions, "kernel too large");
    most_taps_ = std::max(most_taps_, static_cast<int>(taps));
  };

  need(words[0] >= 0 && words[0] < static_cast<int32_t>(Operation::count), "no such operation");
  switch (static_cast<Operation>(words[0])) {
    case Operation::convolve: {
      const PackedConvolution& convolution = session.convolution(o[0]);
      const Geometry& g = convolution.geometry;
      const Extent &input = map_at(1), &output = map_at(2);
      needs_taps(convolution.taps);
      need(input.channels == g.in_channels && output.channels == g.out_channels, "channels do not fit");
      if (static_cast<Activation>(o[8]) == Activation::prelu)
        need(convolution.activation == Activation::prelu, "the convolution has no slopes");
      else
        check_activation(8);
      need(o[7] < 0 || !convolution.normalised, "a normalised convolution adds nothing");
      need(o[5] >= 0 && o[5] <= 2 && o[6] >= 0 && o[6] <= 1, "no such layout");
      need(o[4] == 0 || o[3] >= 0, "others need a region");
      Extent plane = output;
      if (o[3] >= 0) {
        const Region& region = region_at(3);
        check_others(4, region);
        plane = {region.batch, region.height, region.width, output.channels};
      }
      const long rows = plane.pixels();
      if (o[6] == 0)
        need(same(plane, output), "the destination must be as large as the region");
      else
        need(output.pixels() >= rows, "the packed destination is too small");
      if (o[7] >= 0) need(same(map_at(7), plane), "the residual must be as large as the output");
      if (o[5] == 0) {
        need(input.batch == plane.batch && g.output_height(input.height) == plane.height &&
                 g.output_width(input.width) == plane.width,
             "the source map does not lead to the destination");
      } else if (o[5] == 1) {
        need(g.pointwise(), "a packed source needs a 1x1 convolution of stride 1");
        need(input.pixels() >= rows, "the packed source is too small");
      } else {
        halo_at(9);
        const HaloSource& halo = halo_sources_[o[9]];
        need(halo.region == o[3] && o[4] == 0, "the halo belongs to another region");
        const Geometry& h = session.convolution(halo.convolution).geometry;
        need(h.kernel_height == g.kernel_height && h.kernel_width == g.kernel_width && h.stride_y == g.stride_y &&
                 h.stride_x == g.stride_x && h.pad_top == g.pad_top && h.pad_left == g.pad_left &&
                 g.dilation_y == 1 && g.dilation_x == 1,
             "the halo was made for another kernel");
        need(input.pixels() >= Halo::capacity(masks_[region_sources_[halo.region].mask], g),
             "the halo source is too small");
      }
      if (convolution.form == PackedConvolution::Form::rows) {
        need(o[5] == 0, "a convolution of few channels reads a map");
        const double values = (static_cast<double>(input.height) + g.pad_top + g.pad_bottom) *
                              (static_cast<double>(input.width) + g.pad_left + g.pad_right) * input.batch * input.channels;
        need(values <= most_values, "the padded copy is too large");
        want_scratch(static_cast<long>(values));
      }
      need(maps_[o[1]].buffer != maps_[o[2]].buffer, "source and destination must not share a buffer");
      want_tiling(session, convolution, o);
      return;
    }
    case Operation::max_pool:
    case Operation::average_pool: {
      const Extent &input = map_at(0), &output = map_at(1);
      for (int k = 2; k < 6; k++) need(o[k] >= 1 && o[k] <= 1 << 15, "kernel and stride must be 1 to 32768");
      for (int k = 6; k < 10; k++) need(o[k] >= 0 && o[k] <= 1 << 15, "padding must be 0 to 32768");
      needs_taps(static_cast<int64_t>(o[2]) * o[3]);
      need(input.batch == output.batch && input.channels == output.channels, "maps do not fit");
      need(maps_[o[0]].buffer != maps_[o[1]].buffer, "source and destination must not share a buffer");
      return;
    }
    case Operation::global_pool: {
      const Extent &input = map_at(0), &output = map_at(1);
      need(output.batch == input.batch && output.channels == input.channels, "maps do not fit");
      need(maps_[o[0]].buffer != maps_[o[1]].buffer, "source and destination must not share a buffer");
      return;
    }
    case Operation::copy_channels: {
      const Extent &input = map_at(0), &output = map_at(1);
      need(input.batch == output.batch && input.height == output.height && input.width == output.width,
           "maps do not fit");
      const auto inside = [&](int first, const Extent& map) {
        return o[first] >= 0 && o[3] >= 1 && static_cast<int64_t>(o[first]) + o[3] <= map.channels;
      };
      need(inside(2, input) && inside(4, output), "the maps do not have these channels");
      need(maps_[o[0]].buffer != maps_[o[1]].buffer, "source and destination must not share a buffer");
      return;
    }
    case Operation::resize: {
      const Extent &input = map_at(0), &output = map_at(1);
      need(input.batch == output.batch && input.channels == output.channels && output.height % input.height == 0 &&
               output.width % input.width == 0,
           "a map is made larger by whole factors");
      need(o[2] >= 0 && o[2] < static_cast<int32_t>(Interpolation::count), "no such interpolation");
      need(maps_[o[0]].buffer != maps_[o[1]].buffer, "source and destination must not share a buffer");
      return;
    }
    case Operation::normalise_map: {
      const Extent& map = map_at(0);
      need(same(map, map_at(1)), "maps do not fit");
      need(o[2] >= 0 && o[2] < static_cast<int32_t>(Statistics::count), "no such statistics");
      const MapNormalisation how = map_normalisation(o);
      need(groups_fit(how.by, how.groups, map.channels), "groups do not divide the channels");
      need(how.epsilon > 0 && std::isfinite(how.epsilon), "epsilon must be above 0");
      want_scratch(normalise_map_scratch(map));
      return;
    }
    case Operation::pixel_attention:
      return check_pixel_attention(session, index);
    case Operation::multiply: {
      const Extent &map = map_at(0), &scale = map_at(1);
      need(same(map, map_at(2)), "maps do not fit");
      const bool vector = scale.height == 1 && scale.width == 1 && scale.channels == map.channels;
      const bool pixels = scale.height == map.height && scale.width == map.width && scale.channels == 1;
      need(scale.batch == map.batch && (vector || pixels || same(scale, map)),
           "a map is multiplied by one of its size, by a vector for each image, or by a value for each pixel");
      need(same(scale, map) || maps_[o[1]].buffer != maps_[o[2]].buffer,
           "source and destination must not share a buffer");
      return;
    }
    case Operation::add:
      need(same(map_at(0), map_at(2)), "maps do not fit");
      if (o[1] >= 0) need(same(map_at(1), map_at(2)), "maps do not fit");
      check_activation(3);
      return;
    case Operation::grid_pool: {
      const Extent &input = map_at(0), &pooled = map_at(1);
      const Mask& mask = mask_at(2);
      need(pooled.batch == mask.batch && pooled.height == mask.rows && pooled.width == mask.columns &&
               pooled.channels == input.channels && input.batch == mask.batch,
           "the pooled map must be as large as the grid");
      need(maps_[o[0]].buffer != maps_[o[1]].buffer, "source and destination must not share a buffer");
      if (o[3] >= 0) {
        const Mask& changed = mask_at(3);
        need(changed.batch == input.batch && changed.height == input.height && changed.width == input.width,
             "the mask of what has changed must cover the source");
      }
      return;
    }
    case Operation::decide: {
      const Mask& mask = mask_at(0);
      const Masker& masker = session.masker(o[1]);
      const Extent& pooled = map_at(2);
      need(pooled.batch == mask.batch && pooled.height == mask.rows && pooled.width == mask.columns,
           "the pooled map must be as large as the grid");
      need(masker.kind != Masker::Kind::learned || static_cast<int>(masker.weight.size()) == pooled.channels,
           "the masker reads another number of channels");
      return;
    }
    case Operation::index:
      mask_at(0);
      return check_order(session, index);
    case Operation::gather: {
      const Extent &input = map_at(0), &packed = map_at(1);
      halo_at(2);
      const HaloSource& source = halo_sources_[o[2]];
      const Mask& mask = masks_[region_sources_[source.region].mask];
      const Geometry& g = session.convolution(source.convolution).geometry;
      need(input.batch == mask.batch && input.channels == packed.channels, "maps do not fit");
      need(packed.pixels() >= Halo::capacity(mask, g), "the packed destination is too small");
      need(maps_[o[0]].buffer != maps_[o[1]].buffer, "source and destination must not share a buffer");
      return;
    }
    case Operation::scatter:
    case Operation::scatter_add: {
      const Extent &packed = map_at(0), &output = map_at(1);
      const Region& region = region_at(2);
      need(same_plane(output, region) && packed.channels == output.channels, "maps do not fit");
      need(packed.pixels() >= region.map_pixels(), "the packed source is too small");
      need(maps_[o[0]].buffer != maps_[o[1]].buffer, "source and destination must not share a buffer");
      if (static_cast<Operation>(words[0]) == Operation::scatter_add) {
        need(o[5] == 0 || o[5] == 1, "no such layout");
        if (o[5] == 0) need(same(packed, output), "a source that is a map must be as large as the destination");
        check_activation(3);
        need(same(map_at(4), output), "the shortcut must be as large as the destination");
      }
      return;
    }
    case Operation::activate: {
      const Region& region = region_at(1);
      need(same_plane(map_at(0), region), "the map must be as large as the region");
      need(region.wants_others, "the region does not list its others");
      check_activation(2);
      return;
    }
    case Operation::excite:
      return check_attention(session, index);
    case Operation::stream:
      return check_stream(session, index);
    default:
      return;
  }
}

}  // namespace fovea
