// What describes a program: see describe.h.
#pragma once
#include <algorithm>
#include <initializer_list>

#include "infer/describe.h"
#include "infer/program.h"
#include "infer/traffic.h"

namespace fovea {

inline double bytes_of(const Extent& map) { return float_bytes * static_cast<double>(map.values()); }

// Describes one program once.
class ProgramDescriber {
 public:
  ProgramDescriber(const Session& session, const Program& program, const DescribeSetting& setting,
                   const RegionCounts& counts, Traffic& traffic)
      : session_(session), program_(program), setting_(setting), counts_(counts), traffic_(traffic) {}

  // Describes the instruction at `at`, and for a stream those that belong to it; returns how many it has described.
  int describe(int at, Description* descriptions) const;

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
  double rate(int mask) const;

  // Runs of active pixels in the rows of a mask's map, as a region lists them. With randomly active cells a run begins
  // where an active cell follows an inactive one. Above half of the cells runs become fewer again; that is ignored, so
  // that a higher rate never costs less. Listed cell by cell, every row of a cell is one.
  double runs(int32_t region) const;

  // Input pixels that a convolution reads to compute the pixels of a region: those of the input's region if there is
  // one; otherwise estimated from the share of active pixels and the surroundings of their runs along both axes.
  double read_pixels(int32_t index, int32_t convolution, const Extent& input) const;

  // What a convolve instruction computes; `whole_map`: as if its region were the whole map.
  DescribedPass convolution_at(const int32_t* o, bool whole_map = false) const;

  // Counts what a convolution moves, but for maps that stay near within a stream.
  void use_all(const int32_t* o, const DescribedPass& d) const;

  void describe_convolve(const int32_t* o, Description& description) const;
  void describe_stream_at(int at, int count, Description* descriptions) const;

  GridPool pool_at(const int32_t* o) const {
    const Mask& mask = program_.masks_[o[2]];
    return {extent(o[0]), nullptr, mask.rows, mask.columns, nullptr, nullptr};
  }

  // An instruction that is in no stream, or is one that works on its own there.
  void describe_alone(const int32_t* words, bool in_cache, Description& description) const;

  double by_image(const Extent& map) const { return std::max(setting_.even(), 1.0 / map.batch); }

  // From the map of its first operand to that of its second.
  void describe_window(const int32_t* o, double pooled_bytes, double share, Amounts& amounts) const;

  struct Moved {
    int32_t map;
    double bytes;
  };
  // A pass that reads so many bytes of each of some maps and writes so many of one, which may be one of those.
  void describe_moves(std::initializer_list<Moved> read, const Moved& written, Amounts& amounts) const;
  // The same, row by row.
  void describe_rows(double rows, std::initializer_list<Moved> read, const Moved& written, Amounts& amounts) const;

  // The activation of a pass over rows.
  void describe_curve(int32_t activation, double rows, int channels, Amounts& amounts) const;

  void describe_index(int mask_index, Amounts& amounts) const;
  void describe_activate(const int32_t* o, Amounts& amounts) const;
  void describe_pixel_attention(const int32_t* o, Amounts& amounts) const;
  void describe_attention(const int32_t* o, Description& description) const;

  const Session& session_;
  const Program& program_;
  const DescribeSetting& setting_;
  const RegionCounts& counts_;
  Traffic& traffic_;
};

}  // namespace fovea
