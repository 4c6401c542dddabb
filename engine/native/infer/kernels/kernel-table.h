// The micro-kernels of one instruction set, and the tile shape that weights are packed for.
#pragma once
#include <cstdint>

#include "infer/limits.h"

namespace fovea {

// Negative values are leaky ReLUs: the bits of the negated slope, a float.
enum class Activation : int32_t {
  none,
  relu,
  relu6,
  silu,
  hardswish,
  sigmoid,
  hardsigmoid,
  mish,
  gelu,
  gelu_tanh,
  // A leaky ReLU with a slope for each channel: convolutions have it, with slopes of their own.
  prelu
};

constexpr bool leaks(Activation activation) { return static_cast<int32_t>(activation) < 0; }
inline float slope_of(Activation leaky) { return -__builtin_bit_cast(float, static_cast<int32_t>(leaky)); }
// Known from the number alone, whatever the channel.
inline bool known(Activation activation) {
  return leaks(activation) ? __builtin_isfinite(slope_of(activation)) : activation < Activation::prelu;
}

// Whether it takes an exponential, which takes much longer than the others.
constexpr bool curved(Activation activation) {
  switch (activation) {
    case Activation::silu:
    case Activation::sigmoid:
    case Activation::mish:
    case Activation::gelu:
    case Activation::gelu_tanh:
      return true;
    default:
      return false;
  }
}

constexpr int taps_ahead = 2;

// Tiles of an indirect matrix product, each `rows` outputs x `vectors` vectors of the same output channels.
struct TileArguments {
  int tiles;
  // Row pointers, [tiles][taps of a row][rows]; every one is read at [input_offset, input_offset + channels).
  const float* const* input;
  long taps;
  // How many pointers each output has in total; the tile reads the first `taps`.
  long taps_of_row;
  long channels;
  long input_offset;
  // True when the hardware cannot prefetch the rows: short rows, or scattered ones that are read for the first time.
  // Then `taps_ahead` taps' pointers must follow the last tile's.
  bool fetches_input;
  // [taps][channels][vectors x lanes]
  const float* weight;
  // Prefetching of what is needed after these tiles: `ahead_share` bytes by each tile, `ahead_pitch` of them every
  // `ahead_steps` reduction steps.
  const char* ahead;
  long ahead_pitch;
  long ahead_share;
  // Initial sums, vectors x lanes; null continues from `sums`.
  const float* bias;
  // [tiles][rows][vectors x lanes]: read when `bias` is null, written when `output` is null.
  float* sums;
  // Output rows, [tiles][rows], written at [output_offset, output_offset + columns); null leaves the sums in `sums`.
  float* const* output;
  long output_offset;
  // At most vectors x lanes, and more than (vectors - 1) x lanes.
  int columns;
  // Added before the activation, at the same offset; null adds nothing.
  const float* const* residual;
  Activation activation;
  // Of a PReLU, as the bias.
  const float* slopes;
};

using TileKernel = void (*)(const TileArguments&);

// A depthwise convolution: each channel by itself.
struct DepthwiseLayer {
  int kernel_height, kernel_width;
  const float* weight;  // [taps][channels]
  const float* bias;
  long channels;
  Activation activation;
  const float* slopes;  // of a PReLU, [channels]

  long taps() const { return static_cast<long>(kernel_height) * kernel_width; }
};

// Any output pixels, by pointers to their taps.
struct DepthwisePixels {
  long pixels;
  const float* const* input;     // [pixels][taps]
  float* const* output;          // [pixels]
  const float* const* residual;  // [pixels]; null adds nothing
};

// Consecutive output pixels of a row, with every tap inside the map.
struct DepthwiseRun {
  long pixels;
  // First tap of the first pixel.
  const float* input;
  // Distances in values between kernel rows, between taps, and between pixels.
  long row_pitch, tap_pitch, pixel_pitch;
  float* output;          // consecutive pixels, `channels` apart
  const float* residual;  // laid out as the output; null adds nothing
};

// A row of channels scaled to mean 0 and variance 1, or, not centred, to a mean square of 1, then scaled and shifted.
struct RowNormalisation {
  bool centred;
  const float* scale;
  const float* shift;
  float epsilon;
  Activation activation;
  const float* slopes;  // of a PReLU, [channels]
};

// Input and output of Winograd's output transform for one square of 2 x 2 outputs.
struct WinogradOutput {
  // 16 rows of sums, `pitch` values apart.
  const float* products;
  long pitch;
  const float* bias;
  // Null where a pixel of the square is not computed.
  float* output[4];
  // Null adds nothing.
  const float* residual[4];
  int columns;
  Activation activation;
  // Of a PReLU, as the bias.
  const float* slopes;
};

// A tile prefetches once in this many reduction steps.
constexpr long ahead_steps = 4;

struct KernelTable : TileShape {
  // [vectors - 1][rows - 1]
  TileKernel tile[max_tile_vectors][max_tile_rows];
  void (*depthwise_pixels)(const DepthwiseLayer&, const DepthwisePixels&);
  void (*depthwise_run)(const DepthwiseLayer&, const DepthwiseRun&);
  // The 4 x 4 rows of `channels` values under a square, transformed: 16 rows, `pitch` values apart.
  void (*winograd_input)(const float* const* window, float* values, long pitch, long channels);
  void (*winograd_output)(const WinogradOutput&);
  // output = activation(a + b), `length` values; b null adds nothing; output may be a.
  void (*add)(const float* a, const float* b, float* output, long length, Activation activation);
  // output = input * scale
  void (*multiply)(const float* input, const float* scale, float* output, long length);
  // output = (input - away) * factor; output may be input
  void (*scale)(const float* input, const float* away, const float* factor, float* output, long length);
  // sums += input
  void (*accumulate)(const float* input, float* sums, long length);
  // sums += (input - mean)²
  void (*accumulate_squares)(const float* input, const float* mean, float* sums, long length);
  // output = four rows, each times its share
  void (*mix)(const float* const* rows, const float* shares, float* output, long length);
  // output = maximum of `count` rows; -infinity of none
  void (*maximum)(const float* const* rows, long count, float* output, long length);
  // row = e^(row - its maximum), divided by the sum of these
  void (*softmax)(float* row, long length);
  float (*dot)(const float* a, const float* b, long length);
  // row = activation((row - mean) / sqrt(variance + epsilon) * scale + shift), in place; not centred, the mean counts as 0
  void (*normalise)(float* row, const RowNormalisation& normalisation, long length);
};

// The best table that this processor runs, or the one that FOVEA_ISA names; null when that one cannot run here.
const KernelTable* select_kernels(const char* forced);

// Each adds the kernels of one kind for one instruction set; defined in the file of that name.
void add_f32_igemm_avx512(KernelTable& table);
void add_f32_depthwise_avx512(KernelTable& table);
void add_f32_winograd_avx512(KernelTable& table);
void add_f32_rows_avx512(KernelTable& table);
void add_f32_igemm_avx2(KernelTable& table);
void add_f32_depthwise_avx2(KernelTable& table);
void add_f32_winograd_avx2(KernelTable& table);
void add_f32_rows_avx2(KernelTable& table);
void add_f32_igemm_neon(KernelTable& table);
void add_f32_depthwise_neon(KernelTable& table);
void add_f32_winograd_neon(KernelTable& table);
void add_f32_rows_neon(KernelTable& table);
void add_f32_igemm_portable(KernelTable& table);
void add_f32_depthwise_portable(KernelTable& table);
void add_f32_winograd_portable(KernelTable& table);
void add_f32_rows_portable(KernelTable& table);

}  // namespace fovea
