// Convolution as an indirect matrix product: it reads rows of the map through pointers, without im2col.
#include <algorithm>
#include <cstring>

#include "train/convolution_shape.h"

namespace fovea::train {
namespace {

long up(long value, long step) { return (value + step - 1) / step * step; }

constexpr long kPixelBlock = 16 * kTileRows;

const float* zero_row(long length) {
  static thread_local std::vector<float> zeros;
  if (static_cast<long>(zeros.size()) < length) zeros.assign(length, 0.0f);
  return zeros.data();
}

// A copy of the input with its padding in place, for row_runs.
void pad_input(const Shape& s, const float* x, std::vector<float>& padded, Team& team) {
  const long height = s.padded_height(), row = s.padded_width() * s.C;
  padded.resize(s.N * height * row);
  team.run(s.N, [&](long n) {
    for (long y = 0; y < height; y++) {
      float* target = padded.data() + (n * height + y) * row;
      const long source_y = y - s.PT;
      std::fill(target, target + row, 0.0f);
      if (source_y < 0 || source_y >= s.H) continue;
      const long width = std::min(s.W, s.padded_width() - s.PL);
      if (width > 0)
        std::memcpy(target + s.PL * s.C, x + (n * s.H + source_y) * s.W * s.C, width * s.C * sizeof(float));
    }
  });
}

// Iterates over the pixels of a map in order.
struct Cursor {
  const long height, width;
  long n, y, x;
  Cursor(long pixel, long height, long width)
      : height(height), width(width), n(pixel / (height * width)), y(pixel / width % height), x(pixel % width) {}
  void next() {
    if (++x < width) return;
    x = 0;
    if (++y < height) return;
    y = 0;
    n++;
  }
};

// Pointers to the taps of an output pixel in the input; `zeros` outside the image.
struct InputRows {
  const Shape& s;
  const float* x;
  const float* padded;
  const float* zeros;
  long offset;

  long taps() const { return padded ? s.KH : s.taps(); }
  long run() const { return padded ? s.KW * s.C : s.in(); }

  const float* row(const Cursor& at, long tap) const {
    if (padded)
      return padded + ((at.n * s.padded_height() + at.y * s.SH + tap) * s.padded_width() + at.x * s.SW) * s.C;
    const long iy = at.y * s.SH - s.PT + tap / s.KW * s.DH, ix = at.x * s.SW - s.PL + tap % s.KW * s.DW;
    const bool inside = iy >= 0 && iy < s.H && ix >= 0 && ix < s.W;
    return inside ? x + ((at.n * s.H + iy) * s.W + ix) * s.C + offset : zeros;
  }
  void fill(const Cursor& at, const float** rows) const {
    if (s.KH * s.KW == 1 || padded) {
      for (long tap = 0; tap < taps(); tap++) rows[tap * kTileRows] = row(at, tap);
      return;
    }
    const long top = at.y * s.SH - s.PT, left = at.x * s.SW - s.PL;
    const float* corner = x + ((at.n * s.H + top) * s.W + left) * s.C + offset;
    for (long ky = 0; ky < s.KH; ky++, corner += s.DH * s.W * s.C)
      for (long kx = 0; kx < s.KW; kx++, rows += kTileRows) {
        const long iy = top + ky * s.DH, ix = left + kx * s.DW;
        const bool inside = iy >= 0 && iy < s.H && ix >= 0 && ix < s.W;
        *rows = inside ? corner + kx * s.DW * s.C : zeros;
      }
  }
};

// Weights (K, C/groups, KH, KW) → per group, panels of 16 outputs: [panel][tap][channel][16].
void pack_forward(const Shape& s, const float* w, std::vector<float>& packed, Team& team) {
  const long depth = s.taps() * s.in(), panels = up(s.out(), kTileColumns) / kTileColumns;
  packed.assign(s.groups * panels * depth * kTileColumns, 0.0f);
  team.run(s.groups * panels, [&](long unit) {
    const long group = unit / panels, panel = unit % panels;
    float* target = packed.data() + unit * depth * kTileColumns;
    const long columns = std::min(kTileColumns, s.out() - panel * kTileColumns);
    for (long j = 0; j < columns; j++) {
      const float* source = w + (group * s.out() + panel * kTileColumns + j) * depth;
      for (long c = 0; c < s.in(); c++)
        for (long tap = 0; tap < s.taps(); tap++)
          target[(tap * s.in() + c) * kTileColumns + j] = source[c * s.taps() + tap];
    }
  });
}

void forward(Op& op, Team& team) {
  const Shape s = shape_of(op.dims);
  if (s.depthwise()) return depthwise_forward(s, op, team);
  const Kernels& k = kernels();
  const float* x = op.floats(0);
  float* y = op.floats(2);
  pack_forward(s, op.floats(1), op.packed, team);
  if (s.row_runs()) pad_input(s, x, op.scratch, team);
  const long pixels = s.N * s.OH * s.OW, blocks = (pixels + kPixelBlock - 1) / kPixelBlock;
  const long panels = up(s.out(), kTileColumns) / kTileColumns;
  team.run(blocks * s.groups, [&](long unit) {
    const long group = unit / blocks, first = unit % blocks * kPixelBlock;
    const long count = std::min(kPixelBlock, pixels - first);
    const InputRows input{s, x, s.row_runs() ? op.scratch.data() : nullptr, zero_row(s.in()), group * s.in()};
    const long taps = input.taps(), run = input.run(), tiles = (count + kTileRows - 1) / kTileRows;
    static thread_local std::vector<const float*> rows;
    rows.resize(tiles * taps * kTileRows);
    Cursor at(first, s.OH, s.OW);
    for (long i = 0; i < tiles * kTileRows; i++) {
      input.fill(at, rows.data() + i / kTileRows * taps * kTileRows + i % kTileRows);
      if (i + 1 < count) at.next();
    }
    for (long panel = 0; panel < panels; panel++) {
      const float* b = op.packed.data() + (group * panels + panel) * taps * run * kTileColumns;
      const long columns = std::min(kTileColumns, s.out() - panel * kTileColumns);
      float* target = y + first * s.K + group * s.out() + panel * kTileColumns;
      for (long tile = 0; tile < tiles; tile++) {
        float* outputs[kTileRows];
        for (long i = 0; i < kTileRows; i++) outputs[i] = target + (tile * kTileRows + i) * s.K;
        k.gemm(rows.data() + tile * taps * kTileRows, taps, run, b, outputs, std::min(kTileRows, count - tile * kTileRows),
               columns, s.accumulate != 0);
      }
    }
  });
}

// Input pixels whose row and column are equal modulo the stride have the same taps.
struct Phase {
  long y, x;
  std::vector<long> taps;
  long rows, columns;
  long packed;
};

std::vector<Phase> phases_of(const Shape& s) {
  std::vector<Phase> phases;
  const long panels = up(s.in(), kTileColumns) / kTileColumns;
  long packed = 0;
  for (long y = 0; y < std::min(s.SH, s.H); y++)
    for (long x = 0; x < std::min(s.SW, s.W); x++) {
      Phase phase{y, x, {}, (s.H - y + s.SH - 1) / s.SH, (s.W - x + s.SW - 1) / s.SW, packed};
      for (long ky = 0; ky < s.KH; ky++)
        for (long kx = 0; kx < s.KW; kx++)
          if ((y + s.PT - ky * s.DH) % s.SH == 0 && (x + s.PL - kx * s.DW) % s.SW == 0) phase.taps.push_back(ky * s.KW + kx);
      packed += s.groups * panels * static_cast<long>(phase.taps.size()) * s.out() * kTileColumns;
      phases.push_back(phase);
    }
  return phases;
}

// Weights transposed for the input gradient: per phase and group, [panel of 16 inputs][tap][output][16].
void pack_backward(const Shape& s, const std::vector<Phase>& phases, const float* w, std::vector<float>& packed) {
  const long panels = up(s.in(), kTileColumns) / kTileColumns;
  packed.assign(s.groups * panels * s.taps() * s.out() * kTileColumns, 0.0f);
  for (const Phase& phase : phases) {
    float* target = packed.data() + phase.packed;
    for (long group = 0; group < s.groups; group++)
      for (long panel = 0; panel < panels; panel++) {
        const long columns = std::min(kTileColumns, s.in() - panel * kTileColumns);
        for (const long tap : phase.taps)
          for (long o = 0; o < s.out(); o++, target += kTileColumns)
            for (long j = 0; j < columns; j++)
              target[j] = w[((group * s.out() + o) * s.in() + panel * kTileColumns + j) * s.taps() + tap];
      }
  }
}

void input_gradient(Op& op, Team& team) {
  const Shape s = shape_of(op.dims);
  if (s.depthwise()) return depthwise_gradient(s, op, team);
  const Kernels& k = kernels();
  const float* dy = op.floats(0);
  float* dx = op.floats(2);
  const std::vector<Phase> phases = phases_of(s);
  pack_backward(s, phases, op.floats(1), op.packed);
  const long panels = up(s.in(), kTileColumns) / kTileColumns;
  for (const Phase& phase : phases) {
    const long pixels = s.N * phase.rows * phase.columns, blocks = (pixels + kPixelBlock - 1) / kPixelBlock;
    const long taps = phase.taps.size();
    if (taps == 0 && s.accumulate) continue;
    team.run(blocks * s.groups, [&](long unit) {
      const long group = unit / blocks, first = unit % blocks * kPixelBlock;
      const long count = std::min(kPixelBlock, pixels - first), tiles = (count + kTileRows - 1) / kTileRows;
      const float* zeros = zero_row(s.out());
      static thread_local std::vector<const float*> rows;
      static thread_local std::vector<float*> outputs;
      rows.resize(std::max(1L, tiles * taps * kTileRows));
      outputs.resize(tiles * kTileRows);
      Cursor at(first, phase.rows, phase.columns);
      for (long i = 0; i < tiles * kTileRows; i++) {
        const long n = at.n, iy = at.y * s.SH + phase.y, ix = at.x * s.SW + phase.x;
        outputs[i] = dx + ((n * s.H + iy) * s.W + ix) * s.C + group * s.in();
        const float** slot = rows.data() + i / kTileRows * taps * kTileRows + i % kTileRows;
        for (long t = 0; t < taps; t++) {
          const long oy = iy + s.PT - phase.taps[t] / s.KW * s.DH, ox = ix + s.PL - phase.taps[t] % s.KW * s.DW;
          const bool inside = oy >= 0 && ox >= 0 && oy / s.SH < s.OH && ox / s.SW < s.OW;
          slot[t * kTileRows] =
              inside ? dy + ((n * s.OH + oy / s.SH) * s.OW + ox / s.SW) * s.K + group * s.out() : zeros;
        }
        if (i + 1 < count) at.next();
      }
      for (long panel = 0; panel < panels; panel++) {
        const float* b = op.packed.data() + phase.packed + (group * panels + panel) * taps * s.out() * kTileColumns;
        const long columns = std::min(kTileColumns, s.in() - panel * kTileColumns);
        for (long tile = 0; tile < tiles; tile++) {
          float* targets[kTileRows];
          for (long i = 0; i < kTileRows; i++) targets[i] = outputs[tile * kTileRows + i] + panel * kTileColumns;
          k.gemm(rows.data() + tile * taps * kTileRows, taps, s.out(), b, targets,
                 std::min(kTileRows, count - tile * kTileRows), columns, s.accumulate != 0);
        }
      }
    });
  }
}

void weight_gradient(Op& op, Team& team) {
  const Shape s = shape_of(op.dims);
  const Kernels& k = kernels();
  const float* x = op.floats(0);
  const float* dy = op.floats(1);
  float* dw = op.floats(2);
  if (s.row_runs()) pad_input(s, x, op.packed, team);
  const bool padded = s.row_runs();
  const long taps = padded ? s.KH : s.taps(), run = padded ? s.KW * s.C : s.in(), stride = up(s.out(), kTileColumns);
  const long pixels = s.N * s.OH * s.OW, size = s.groups * taps * run * stride;
  // Parts sum their pixels separately, which pays where the map is large and the kernel small.
  const long parts = std::max(1L, std::min(8L, pixels * 4 / std::max(1L, size)));
  op.scratch.assign(parts * size, 0.0f);
  const long share = up((pixels + parts - 1) / parts, 8);
  constexpr long kChunk = 128;
  const long slices = (run + kSlice - 1) / kSlice;
  team.run(parts * s.groups * taps * slices, [&](long unit) {
    const long slice = unit % slices, tap = unit / slices % taps, group = unit / (slices * taps) % s.groups;
    const long part = unit / (slices * taps * s.groups);
    const long begin = slice * kSlice, end = std::min(run, begin + kSlice);
    const InputRows input{s, x, padded ? op.packed.data() : nullptr, zero_row(s.in()), group * s.in()};
    float* target = op.scratch.data() + part * size + (group * taps + tap) * run * stride;
    // Both operands are copied to contiguous memory: at the strides of whole maps their lines would evict each other.
    const float *rows[kChunk], *slopes[kChunk];
    alignas(32) float packed[kChunk * kSlice], panel[kChunk * kTileColumns];
    const long last = std::min(pixels, (part + 1) * share);
    Cursor at(part * share, s.OH, s.OW);
    for (long first = part * share; first < last; first += kChunk) {
      const long count = std::min(kChunk, last - first);
      for (long i = 0; i < count; i++, at.next()) {
        rows[i] = input.row(at, tap);
        slopes[i] = dy + (first + i) * s.K + group * s.out();
      }
      k.gather(rows, count, begin, end - begin, kSlice, packed);
      for (long column = 0; column < s.out(); column += kTileColumns) {
        const long columns = std::min(kTileColumns, s.out() - column);
        k.gather(slopes, count, column, columns, kTileColumns, panel);
        for (long row = begin; row < end; row += kTileRows)
          k.outer(packed + row - begin, panel, count, target + row * stride + column, stride,
                  std::min(kTileRows, end - row), columns);
      }
    }
  });
  // Sum the parts in order and return to (K, C/groups, KH, KW).
  team.run(s.groups * slices, [&](long unit) {
    const long group = unit / slices, begin = unit % slices * kSlice, end = std::min(run, begin + kSlice);
    for (long tap = 0; tap < taps; tap++) {
      float* sum = op.scratch.data() + ((group * taps + tap) * run + begin) * stride;
      for (long part = 1; part < parts; part++) k.add(sum + part * size, sum, (end - begin) * stride, 1.0f);
      for (long o = 0; o < s.out(); o++)
        for (long row = begin; row < end; row++) {
          const long c = padded ? row % s.C : row, source_tap = padded ? tap * s.KW + row / s.C : tap;
          dw[((group * s.out() + o) * s.in() + c) * s.taps() + source_tap] = sum[(row - begin) * stride + o];
        }
    }
  });
}

bool within(long value, long least) { return value >= least && value <= kMostStep; }

std::vector<long> sizes(const std::vector<long>& d, int order) {
  const Shape s = shape_of(d);
  const bool sane = s.groups > 0 && s.C % s.groups == 0 && s.K % s.groups == 0 && s.KH > 0 && s.KW > 0 &&
                    product(s.KH, s.KW) <= kMostTaps && within(s.SH, 1) && within(s.SW, 1) && within(s.DH, 1) &&
                    within(s.DW, 1) && within(s.PT, 0) && within(s.PL, 0);
  if (!sane) return {-1};
  const long x = product(s.N, s.H, s.W, s.C), w = product(s.K, s.in(), s.taps()), y = product(s.N, s.OH, s.OW, s.K);
  if (s.row_runs() && product(s.N, s.padded_height(), s.padded_width(), s.C) < 0) return {-1};
  if (order == 0) return {x, w, y};
  if (order == 1) return {y, w, x};
  return {x, y, w};
}

// y[row] += b, and its gradient; dims: rows, C
void add_bias(Op& op, Team&) {
  float* y = op.floats(0);
  for (long row = 0; row < op.dims[0]; row++) kernels().add(op.floats(1), y + row * op.dims[1], op.dims[1], 1.0f);
}

void bias_gradient(Op& op, Team&) {
  float* db = op.floats(1);
  std::fill(db, db + op.dims[1], 0.0f);
  for (long row = 0; row < op.dims[0]; row++) kernels().add(op.floats(0) + row * op.dims[1], db, op.dims[1], 1.0f);
}

std::vector<long> bias_sizes(const std::vector<long>& d) { return {product(d[0], d[1]), d[1]}; }

}  // namespace

const std::vector<OpKind> convolution_ops = {
    {"convolution", 15, [](const std::vector<long>& d) { return sizes(d, 0); }, forward},
    {"convolution-dx", 15, [](const std::vector<long>& d) { return sizes(d, 1); }, input_gradient},
    {"convolution-dw", 15, [](const std::vector<long>& d) { return sizes(d, 2); }, weight_gradient},
    {"bias", 2, bias_sizes, add_bias},
    {"bias-db", 2, bias_sizes, bias_gradient},
};

}  // namespace fovea::train
