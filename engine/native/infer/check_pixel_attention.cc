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

  const AttendedExtents maps = attended_extents(o);
  const auto tiled = [&](const Extent& map) {
    return map.height % attention.patch_height == 0 && map.width % attention.patch_width == 0;
  };
  need(maps.query.batch == maps.key.batch && maps.value.batch == maps.key.batch && maps.value.height == maps.key.height &&
           maps.value.width == maps.key.width,
       "maps do not fit");
  need(tiled(maps.query) && tiled(maps.key), "maps have whole patches");
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
  const double packed = static_cast<double>(work.units) * static_cast<double>(work.unit_values);
  need(packed <= most_values && static_cast<double>(work.thread_values) <= most_values, "too many keys");
  want_scratch(static_cast<long>(packed));
  most_attended_ = std::max(most_attended_, work.thread_values);
}

}  // namespace fovea
