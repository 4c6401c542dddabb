// An operation of a training program: its name, its requirements and its function.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "train/kernels.h"
#include "train/team.h"

namespace fovea::train {

// The memory of a typed array, in 4-byte elements; the program keeps the array alive.
struct Span {
  void* data = nullptr;
  long length = 0;
  float* floats() const { return static_cast<float*>(data); }
  int32_t* ints() const { return static_cast<int32_t*>(data); }
  uint32_t* bits() const { return static_cast<uint32_t*>(data); }
};

struct OpKind;

struct Op {
  const OpKind* kind = nullptr;
  std::vector<long> dims;
  std::vector<Span> buffers;
  // Kept between runs, so that a step allocates no memory.
  std::vector<float> scratch;
  std::vector<float> packed;

  float* floats(size_t i) const { return buffers[i].floats(); }
};

struct OpKind {
  const char* name;
  size_t dims;
  // Fewest elements of each buffer; as many buffers are accepted.
  std::vector<long> (*needs)(const std::vector<long>& dims);
  void (*run)(Op& op, Team& team);
};

// Most pixels of a map that an operation keeps a byte each for while it runs.
constexpr long kMostPixels = 1L << 28;

// Most inner steps of an operation whose buffers do not bound them: some seconds.
constexpr long kMostSteps = 1L << 34;

// How many elements so many extents make; negative, which no buffer has room for, where that is beyond 64 bits or an
// extent is not positive itself: loops over the others would make steps that no buffer bounds.
template <typename... Extents>
long product(Extents... extents) {
  long count = 1;
  bool fits = true;
  for (const long extent : {static_cast<long>(extents)...})
    fits = extent > 0 && !__builtin_mul_overflow(count, extent, &count) && fits;
  return fits ? count : -1;
}

// The tables of the op_*.cc files.
extern const std::vector<OpKind> convolution_ops, normalisation_ops, pooling_ops, mask_ops, loss_ops, branch_ops, distil_ops, join_ops,
    map_normalisation_ops, pixel_attention_ops;

// Finds an operation by name; nullptr when there is none.
const OpKind* find_op(const std::string& name);

// Splits rows into parts; their number depends on the shape alone.
inline long parts_of(long rows, long at_least) {
  const long parts = rows / (at_least < 1 ? 1 : at_least);
  return parts < 1 ? 1 : parts > 16 ? 16 : parts;
}

}  // namespace fovea::train
