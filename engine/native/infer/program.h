// A program: the list of instructions that a network and its plan were lowered to, for one input shape.
#pragma once
#include <algorithm>
#include <array>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "infer/amounts.h"
#include "infer/grid_pool.h"
#include "infer/joins.h"
#include "infer/normalise_map.h"
#include "infer/pace.h"
#include "infer/passes.h"
#include "infer/pixel_attention.h"

namespace fovea {

// Mirrored by engine/src/backends/native/encode.ts. Every instruction is `instruction_words` integers:
// the operation, then its operands; -1 stands for "none".
enum class Operation : int32_t {
  convolve,     // convolution, source, destination, region, others, source layout, destination layout,
                // residual, activation, halo
  max_pool,     // source, destination, kernel h, w, stride y, x, pad top, left, bottom, right
  average_pool, // the same, count padding
  global_pool,  // source, destination
  copy_channels,  // source, destination, first channel read, how many, first channel written
  resize,       // source, destination, interpolation
  normalise_map,  // source, destination, statistics, groups, bits of epsilon
  pixel_attention,  // query or -1, key, value, destination, weighting, heads, depth, width, first channel of the
                // queries, their step, the same of keys and of values, scale and epsilon (bits of floats), patch h, w,
                // window h, w or 0, pixel y, x where they begin, what tells their edges apart (bits of a float), bias or -1
  multiply,     // a, b, destination
  add,          // a, b, destination, activation
  grid_pool,    // source, pooled, mask, mask whose active cells alone have changed since
  decide,       // mask, masker, pooled
  index,        // mask, where its order of cells begins in the table of orders or -1
  gather,       // source, destination, halo
  scatter,      // source, destination, region
  scatter_add,  // source, destination, region, activation, shortcut, source layout
  activate,     // map, region, activation: at the pixels outside the region
  excite,       // map, region, layout, reduce or -1, gate, pool region, pools (1 mean, 2 maximum, or
                // 4 response), spatial or -1, epsilon (bits of a float)
  stream,       // number of following instructions that run band by band (2 or 3 convolve; 1 to 3 convolve and a
                // grid_pool of what they wrote; an add or scatter_add and such a grid_pool; or a grid_pool and
                // a convolve of one source), pixels in each band (0: the session's value)
  count
};

constexpr int instruction_words = 25;
// Most values of a buffer: 16 GiB of floats.
constexpr double most_values = 4294967296.0;

// Most positions of a kernel or a pooling window.
constexpr int most_positions = 1 << 20;

// Tables passed from TypeScript; `Program` checks every entry.
struct ProgramTables {
  std::vector<double> buffers;         // values in each buffer
  std::vector<int32_t> maps;           // buffer, batch, height, width, channels
  std::vector<int32_t> masks;          // batch, rows, columns, height, width
  std::vector<int32_t> regions;        // mask, parent region or -1, convolution or -1, height, width, wants others
  std::vector<int32_t> halos;          // region, convolution
  std::vector<int32_t> instructions;
  // Accesses by JavaScript: before which instruction, map or mask, 0 reads the map or 1 writes it or 2 decides the mask.
  std::vector<int32_t> accesses;
  // Orders of the cells of one image, one behind the other.
  std::vector<int32_t> orders;
};

// A read or write of a map by an instruction; a map changed in place is both read and written.
struct Access {
  int map;
  bool reads, writes;
};

struct Masker {
  enum class Kind : int32_t { learned, salient } kind;
  std::vector<float> weight;
  float bias;
  double rate;
};

// What is added to the products of an attention over pixels: heads, queries, keys. Its values are there in sessions that run.
struct Bias {
  long count;
  std::vector<float> values;
};

class Session;
struct Description;

// The mask counts that a program is described for.
struct RegionCounts {
  // By region: pixels, and squares of 2 x 2 pixels with at least one of them. May be fractions.
  const double *pixels, *squares;
  // By mask: nonzero where the counts of its regions are expectations for a random mask.
  const double* expected;
};

class Program {
 public:
  Program(const Session& session, ProgramTables tables);

  int instruction_count() const { return static_cast<int>(instructions_.size() / instruction_words); }
  // Runs instructions [first, last), calling back after each with the number done; stops early when
  // machine.stop becomes true. `pace` is measured before, after and in between, unless it is null.
  // `counted`: records what convolutions did in `tallies`.
  void run(Session& session, const Machine& machine, int first, int last, Pace* pace, bool counted,
           const std::function<void(int)>& on_progress);
  // What each instruction would do, given the pixels of each region; each pass of a stream has its own description.
  void describe(const Session& session, const DescribeSetting& setting, const RegionCounts& counts,
                std::vector<Description>& descriptions) const;

  struct MapReference {
    int buffer;
    Extent extent;
  };
  const MapReference& map(int index) const;
  // The same, for a map that JavaScript may read or write by the program's table of accesses.
  const MapReference& shared_map(int index, bool writes) const;
  // True when `at` is inside a stream, where a run may neither begin nor end.
  bool inside_stream(int at) const { return at < instruction_count() && inside_stream_[at]; }
  Mask& mask(int index);
  const std::vector<double>& buffer_sizes() const { return buffer_sizes_; }
  // Wall time of each instruction when it last ran, ms.
  const std::vector<double>& milliseconds() const { return milliseconds_; }
  // Mean of the paces before and after each instruction in the last run that measured pace, ms.
  const std::vector<double>& paces() const { return paces_; }
  // Time from one thread's write to another's read in the last run that measured pace, ms: see handover.h.
  double handover() const { return handover_; }
  // Time spent on measuring both in the last run, ms.
  double pacing() const { return pacing_; }
  // What each instruction did in the last counted run; the passes of a stream are added up.
  const std::vector<Tally>& tallies() const { return tallies_; }
  const std::vector<Region>& regions() const { return regions_; }
  std::vector<Mask>& masks() { return masks_; }
  // Cells of all masks.
  size_t cell_count() const;
  int most_taps() const { return most_taps_; }
  int most_channels() const { return most_channels_; }
  // Working memory that one instruction needs besides its maps, in values.
  long most_scratch() const { return most_scratch_; }
  // The same of each thread, for attention over pixels.
  long most_attended() const { return most_attended_; }

 private:
  friend class ProgramDescriber;

  struct RegionSource {
    int mask, parent, convolution;
  };
  struct HaloSource {
    int region, convolution;
  };
  // As many things as one instruction may name.
  template <typename Thing>
  class Few {
   public:
    Few(std::initializer_list<Thing> things) {
      for (const Thing& thing : things) add(thing);
    }
    void add(const Thing& thing) { things_[count_++] = thing; }
    const Thing* begin() const { return things_.data(); }
    const Thing* end() const { return things_.data() + count_; }

   private:
    std::array<Thing, 4> things_{};
    int count_ = 0;
  };

  void check_tables(const Session& session, const ProgramTables& tables);
  void check_instruction(const Session& session, int at);
  void check_attention(const Session& session, int at);
  void check_pixel_attention(const Session& session, int at);
  void check_order(const Session& session, int at);
  // Rejects a program in which an instruction, a stream or JavaScript would read a value that does not exist.
  void check_values(const ProgramTables& tables);
  Few<Access> accesses_of(int at) const;
  // Regions that an instruction uses; -1 for none.
  Few<int> regions_of(int at) const;
  void execute(Session& session, const Machine& machine, const int32_t* operands);
  // Prepares the pass of a convolve instruction; false when there is nothing to compute.
  bool prepare_convolution(Session& session, const Machine& machine, const int32_t* operands,
                           ConvolutionPass& pass);
  void run_stream(Session& session, const Machine& machine, int at, int count);
  GridPool grid_pool(Session& session, const int32_t* operands);
  // Executes an add or scatter_add for pixels [first, last) of a map or of a region's list.
  void run_add(Session& session, const Machine& machine, const int32_t* words, long first, long last);
  void check_stream(const Session& session, int at) const;
  bool reads_ahead(const Session& session, int index, int writers) const;
  Attention attention_at(const Session& session, const int32_t* operands) const;
  // What an attention over pixels reads.
  AttendedExtents attended_extents(const int32_t* operands) const;
  // The whole map of an attention, whose rows may be packed.
  Extent attended_map(const int32_t* operands) const;
  void run_attention(Session& session, const Machine& machine, const int32_t* operands);
  void run_window(Session& session, const Machine& machine, const int32_t* operands);
  // The squares of a whole map; null when no pass over such a map needs them.
  const Tiling* tiling_of(const Extent& map) const;
  void want_scratch(long values) { most_scratch_ = std::max(most_scratch_, values); }
  void want_tiling(const Session& session, const PackedConvolution& convolution, const int32_t* operands);
  void build_index(Session& session, int mask);

  std::vector<double> buffer_sizes_;
  std::vector<MapReference> maps_;
  std::vector<Mask> masks_;
  std::vector<Region> regions_;
  std::vector<RegionSource> region_sources_;
  std::vector<Halo> halos_;
  std::vector<HaloSource> halo_sources_;
  // Squares of whole maps, for passes without a region.
  std::vector<std::pair<Extent, Tiling>> tilings_;
  std::vector<int32_t> instructions_;
  std::vector<int32_t> orders_;
  std::vector<char> inside_stream_;
  std::vector<char> read_by_script_, written_by_script_;
  std::vector<double> milliseconds_;
  std::vector<double> paces_;
  std::vector<Tally> tallies_;
  double handover_ = 0;
  double pacing_ = 0;
  int most_taps_ = 1;
  int most_channels_ = 1;
  long most_scratch_ = 0;
  long most_attended_ = 0;
};

// True for a convolve instruction, given by its operands, that may be computed in squares.
bool computes_squares(const PackedConvolution& convolution, const int32_t* operands);

// Packed weights, buffers and programs of one network at one input shape. A session without kernels holds outlines
// only: its programs can be described, not run.
class Session {
 public:
  // `band_pixels`: pixels of a stream's last pass in each band; 0: as many as fit the caches.
  Session(const KernelTable& kernels, long band_pixels)
      : shape_(kernels), kernels_(&kernels), band_pixels_(band_pixels) {}
  // A session that describes what kernels of this tile shape would do.
  explicit Session(const TileShape& shape) : shape_(shape), kernels_(nullptr), band_pixels_(0) {}

  const TileShape& shape() const { return shape_; }
  bool runs() const { return kernels_ != nullptr; }
  long band_pixels() const { return band_pixels_; }
  // Packs weights for this session's kernels. Const, so any thread may call it.
  PackedConvolution packed(const Geometry& geometry, Finish finish, const float* weight,
                           const FinishValues& values) const;
  int add_convolution(PackedConvolution convolution);
  int add_outline(const Geometry& geometry, Finish finish);
  int add_masker(Masker masker);
  int add_bias(Bias bias);
  int add_program(ProgramTables tables);
  void drop_program(int index) { programs_[index].reset(); }

  const PackedConvolution& convolution(int index) const;
  const Masker& masker(int index) const;
  const Bias& bias(int index) const;
  Program& program(int index);
  float* buffer(int index) { return buffers_[index].data(); }
  // Working memory for one instruction at a time.
  float* passing() { return passing_.data(); }
  int convolution_count() const { return static_cast<int>(convolutions_.size()); }
  // Memory of weights and maps.
  size_t bytes() const;

  // Runs a program's instructions [first, last) on `threads` threads of `pool`; `paced`: with its pace measured;
  // `counted`: with its convolutions' work counted.
  void run(Program& program, int first, int last, int threads, bool paced, bool counted, ThreadPool& pool,
           const std::function<void(int)>& on_progress);

  std::atomic<bool> stop{false};
  std::atomic<bool> busy{false};

 private:
  const TileShape shape_;
  const KernelTable* const kernels_;
  const long band_pixels_;
  std::vector<std::unique_ptr<PackedConvolution>> convolutions_;
  std::vector<Masker> maskers_;
  std::vector<Bias> biases_;
  std::vector<std::unique_ptr<Program>> programs_;
  std::vector<AlignedFloats> buffers_;
  std::vector<Scratch> scratch_;
  AlignedFloats zeros_;
  AlignedFloats passing_;
  Pace pace_;
  int scratch_taps_ = 0;
  long scratch_winograd_ = 0;
  long scratch_rows_ = 0;
  long scratch_attended_ = 0;
};

}  // namespace fovea
