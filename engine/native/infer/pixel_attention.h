// Attention over pixels: the values of keys, weighed by how queries fit the keys.
#pragma once
#include "common/weighting.h"
#include "infer/convolve.h"

namespace fovea {

// Heads among a map's channels: head h from `first + h * step` on.
struct HeadChannels {
  int first, step;
  bool within(int heads, int channels, const Extent& map) const {
    return first >= 0 && step >= 0 && first + static_cast<int64_t>(heads - 1) * step + channels <= map.channels;
  }
};

struct PixelAttention {
  Weighting by;
  int heads, depth, width;
  HeadChannels query, key, value;
  float scale, epsilon;
  int patch_height, patch_width;
  // Extents of 0: there are none. Windows begin at a pixel `shift`, and go on at the other edge of the map.
  int window_height, window_width, shift_y, shift_x;
  // Added to the products of pixels of a window that lie at different edges of the map.
  float apart;
  // The session's number of what is added to the products, or -1.
  int bias;

  bool in_windows() const { return window_height > 0; }
  // Pixels see each other alone that are at one place of all patches, or in one window.
  long places(const Extent& map) const {
    return in_windows() ? static_cast<long>(map.height / window_height) * (map.width / window_width)
                        : static_cast<long>(patch_height) * patch_width;
  }
  // A context has no queries.
  bool has_queries() const { return by != Weighting::context; }
  // Pixels of one image that see each other.
  long seen(const Extent& map) const {
    return in_windows() ? static_cast<long>(window_height) * window_width
                        : static_cast<long>(map.height / patch_height) * (map.width / patch_width);
  }
  // What is computed apart: the heads of each place of each image.
  long units(const Extent& key_map) const { return static_cast<long>(key_map.batch) * places(key_map) * heads; }
};

PixelAttention pixel_attention(const int32_t* operands);

// The extents of what is read; those of the query are the key's where there is none.
struct AttendedExtents {
  Extent query, key, value;
};

// Columns of a matrix in panels as kernels take them, the last one as many vectors wide as it needs.
class Panels {
 public:
  Panels(long columns, const TileShape& shape) : columns_(columns), lanes_(shape.lanes), most_(shape.tile_vectors) {}
  long count() const { return (vectors() + most_ - 1) / most_; }
  long first(long panel) const { return panel * most_ * lanes_; }
  int columns(long panel) const { return static_cast<int>(std::min<long>(most_ * lanes_, columns_ - first(panel))); }
  int vectors(long panel) const { return (columns(panel) + static_cast<int>(lanes_) - 1) / static_cast<int>(lanes_); }
  long width(long panel) const { return vectors(panel) * lanes_; }
  // Of all panels, of the matrix's row.
  long vectors() const { return (columns_ + lanes_ - 1) / lanes_; }
  long width() const { return vectors() * lanes_; }

 private:
  long columns_, lanes_, most_;
};

// How attention is cut into work; the loops and descriptions both read it.
struct AttendedWork {
  AttendedWork(const PixelAttention& attention, const AttendedExtents& maps, const TileShape& shape);

  long units;        // heads of the places of all images
  long keys;         // that a query sees
  long queries;      // of a unit
  Panels key_panels;    // keys, by softmax
  Panels value_panels;  // channels of the values, and by linear weights their sum
  long rows;         // queries that a thread works on at a time
  long blocks;       // of so many queries in each unit
  // Whether keys and values are packed by the thread that works on the queries, all of which it does at a time.
  bool at_once;
  // Working memory, in values: of all units, and of each thread.
  long unit_values, thread_values;
};

struct AttendedMaps {
  AttendedExtents extents;
  const float *query, *key, *value;
  // Or null.
  const float* bias;
};

// `scratch`: `units` times `unit_values`.
void attend_pixels(const Machine& machine, const PixelAttention& attention, const AttendedMaps& maps, float* scratch,
                   float* destination);

}  // namespace fovea
