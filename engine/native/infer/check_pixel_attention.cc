// Checks an attention over pixels: that its heads lie within the maps, and its patches tile them.
#include <cmath>

#include "common/error.h"
#include "infer/program.h"

namespace fovea {

AttendedExtents Program::attended_extents(const int32_t* o) const {
  const Extent& key = maps_[o[1]].extent;
  return {o[0] < 0 ? key : maps_[o[0]].extent, key, maps_[o[2]].extent};
}

void Program::check_pixel_attention(const Session& session, int index) {
  const int32_t* o = instructions_.data() + static_cast<long>(index) * instruction_words + 1;
  const auto need = [&](bool condition, const char* message) {
    require(condition, "instruction ", index, ": ", message);
  };
  for (int operand = 0; operand < 4; operand++)
    need((operand == 0 && o[operand] == -1) || (o[operand] >= 0 && o[operand] < static_cast<int64_t>(maps_.size())),
         "no such map");
  need(o[4] >= 0 && o[4] < static_cast<int32_t>(Weighting::count), "no such weighting");
  const PixelAttention attention = pixel_attention(o);
  constexpr int most = 1 << 16;
  for (const int count : {attention.heads, attention.depth, attention.width})
    need(count >= 1 && count <= most, "heads and their channels must be 1 to 65536");
  for (const HeadChannels& channels : {attention.query, attention.key, attention.value})
    need(channels.first <= most && channels.step <= most, "heads must begin within a map");
  need(attention.patch_height >= 1 && attention.patch_width >= 1 && attention.patch_height <= 1 << 15 &&
           attention.patch_width <= 1 << 15,
       "patches must be 1 to 32768 pixels high and wide");
  need(attention.has_queries() == (o[0] >= 0), "a context alone has no queries");
  need(attention.by != Weighting::context || attention.depth == 1, "keys of a context have one channel");
  need(std::isfinite(attention.scale), "the scale must be finite");
  need(attention.by == Weighting::linear ? attention.epsilon > 0 && std::isfinite(attention.epsilon) : attention.epsilon == 0,
       "epsilon must be above 0 for linear weights, else 0");

  const int window[] = {attention.window_height, attention.window_width}, shift[] = {attention.shift_y, attention.shift_x};
  if (attention.in_windows()) {
    for (int axis = 0; axis < 2; axis++) {
      need(window[axis] >= 1 && window[axis] <= 1 << 15, "windows must be 1 to 32768 pixels high and wide");
      need(shift[axis] >= 0 && shift[axis] < window[axis], "windows must be shifted by less than their extents");
    }
    need(attention.patch_height == 1 && attention.patch_width == 1, "windows have no patches");
  } else {
    need(window[0] == 0 && window[1] == 0 && shift[0] == 0 && shift[1] == 0, "no windows have no extents and no shift");
  }
  need(std::isfinite(attention.apart), "what tells edges apart must be finite");
  need(attention.apart == 0 || (attention.in_windows() && attention.by == Weighting::softmax),
       "edges are told apart by softmax in windows alone");

  const AttendedExtents maps = attended_extents(o);
  const auto tiled = [&](const Extent& map) {
    return attention.in_windows() ? map.height % window[0] == 0 && map.width % window[1] == 0
                                  : map.height % attention.patch_height == 0 && map.width % attention.patch_width == 0;
  };
  need(maps.query.batch == maps.key.batch && maps.value.batch == maps.key.batch && maps.value.height == maps.key.height &&
           maps.value.width == maps.key.width,
       "maps do not fit");
  need(tiled(maps.query) && tiled(maps.key), "maps have whole patches or windows");
  need(!attention.in_windows() || (maps.query.height == maps.key.height && maps.query.width == maps.key.width),
       "queries and keys in windows must be of maps of one size");
  need((o[0] < 0 || attention.query.within(attention.heads, attention.depth, maps.query)) &&
           attention.key.within(attention.heads, attention.depth, maps.key) &&
           attention.value.within(attention.heads, attention.width, maps.value),
       "the maps do not have these channels");
  const Extent& output = maps_[o[3]].extent;
  need(output.batch == maps.query.batch && output.height == maps.query.height && output.width == maps.query.width &&
           output.channels == static_cast<int64_t>(attention.heads) * attention.width,
       "the destination must have the channels of all heads for each query");
  for (int operand = 0; operand < 3; operand++)
    need(o[operand] < 0 || maps_[o[operand]].buffer != maps_[o[3]].buffer, "source and destination must not share a buffer");

  const AttendedWork work(attention, maps, session.shape());
  if (attention.bias != -1) {
    need(attention.by == Weighting::softmax, "softmax alone has a bias");
    need(static_cast<double>(session.bias(attention.bias).count) ==
             static_cast<double>(attention.heads) * static_cast<double>(work.queries) * static_cast<double>(work.keys),
         "the bias must have a value for each head, query and key");
  }
  const double packed = work.at_once ? 0 : static_cast<double>(work.units) * static_cast<double>(work.unit_values);
  need(packed <= most_values && static_cast<double>(work.thread_values) <= most_values, "too many keys");
  want_scratch(static_cast<long>(packed));
  most_attended_ = std::max(most_attended_, work.thread_values);
}

}  // namespace fovea
