#include "infer/passes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

namespace fovea {

namespace {

using limits::chunk_rows;

template <class Body>
void for_rows(const Machine& machine, long first, long last, Body&& body) {
  const long chunks = (last - first + chunk_rows - 1) / chunk_rows;
  machine.pool->for_each(machine.threads, chunks, machine.stop, [&](long chunk, int) {
    const long end = std::min(last, first + (chunk + 1) * chunk_rows);
    for (long row = first + chunk * chunk_rows; row < end; row++) body(row);
  });
}

template <class Body>
void for_rows(const Machine& machine, long rows, Body&& body) {
  for_rows(machine, 0, rows, body);
}

// Pointers to the rows under one pooling window, without those outside the map.
int window_rows(const Window& w, Extent input, const float* source, int image, int y, int x, const float** rows) {
  int count = 0;
  for (int ky = 0; ky < w.kernel_height; ky++) {
    const int sy = y * w.stride_y - w.pad_top + ky;
    if (sy < 0 || sy >= input.height) continue;
    for (int kx = 0; kx < w.kernel_width; kx++) {
      const int sx = x * w.stride_x - w.pad_left + kx;
      if (sx < 0 || sx >= input.width) continue;
      rows[count++] =
          source + ((static_cast<long>(image) * input.height + sy) * input.width + sx) * input.channels;
    }
  }
  return count;
}

// Sums of values from 1e18 on may be too large, and their squares are: these are taken once more in double precision.
bool all_finite(const float* values, long count) {
  constexpr uint32_t exponent = 0x7f800000;
  // Compared as integers, several at a time.
  uint32_t beyond = 0;
  for (long i = 0; i < count; i++) beyond |= (__builtin_bit_cast(uint32_t, values[i]) & exponent) == exponent;
  return beyond == 0;
}

template <class Body>
void for_windows(const Machine& machine, const Window& window, Extent input, const float* source, Extent output,
                 float* destination, Body&& body) {
  const long map_rows = static_cast<long>(output.batch) * output.height;
  machine.pool->for_each(machine.threads, map_rows, machine.stop, [&](long row, int thread) {
    const float** rows = machine.scratch[thread].taps.data();
    const int image = static_cast<int>(row / output.height), y = static_cast<int>(row % output.height);
    for (int x = 0; x < output.width; x++) {
      const int count = window_rows(window, input, source, image, y, x, rows);
      body(rows, count, y, x, destination + (row * output.width + x) * output.channels);
    }
  });
}

}  // namespace

void max_pool(const Machine& machine, const Window& window, Extent input, const float* source, Extent output,
              float* destination) {
  for_windows(machine, window, input, source, output, destination,
              [&](const float** rows, int count, int, int, float* out) {
                machine.kernels->maximum(rows, count, out, input.channels);
              });
}

void average_pool(const Machine& machine, const Window& window, Extent input, const float* source, Extent output,
                  float* destination) {
  // When padding counts, the window is clipped to the padded map.
  const auto covered = [](int start, int kernel, int size, int after) {
    return std::min(start + kernel, size + after) - start;
  };
  for_windows(machine, window, input, source, output, destination,
              [&](const float** rows, int count, int y, int x, float* out) {
                std::fill(out, out + input.channels, 0.0f);
                for (int i = 0; i < count; i++) machine.kernels->accumulate(rows[i], out, input.channels);
                int divisor = count;
                if (window.count_padding)
                  divisor = covered(y * window.stride_y - window.pad_top, window.kernel_height, input.height,
                                    window.pad_bottom) *
                            covered(x * window.stride_x - window.pad_left, window.kernel_width, input.width,
                                    window.pad_right);
                const float scale = divisor > 0 ? 1.0f / static_cast<float>(divisor) : 0.0f;
                if (all_finite(out, input.channels)) {
                  for (int c = 0; c < input.channels; c++) out[c] *= scale;
                  return;
                }
                for (int c = 0; c < input.channels; c++) {
                  double sum = 0;
                  for (int i = 0; i < count; i++) sum += static_cast<double>(rows[i][c]);
                  out[c] = static_cast<float>(sum * static_cast<double>(scale));
                }
              });
}

void global_pool(const Machine& machine, Extent input, const float* source, Layout layout, const Region* region,
                 Pooling how, float* destination) {
  const long plane = static_cast<long>(input.height) * input.width;
  const long C = input.channels;
  const bool whole = !region || region->all;
  const bool mean = how == Pooling::mean, most = how == Pooling::maximum;
  machine.pool->for_each(machine.threads, input.batch, machine.stop, [&](long n, int) {
    float* sums = destination + n * C;
    std::fill(sums, sums + C, most ? -std::numeric_limits<float>::infinity() : 0.0f);
    const auto take = [&](const float* row) {
      if (mean) return machine.kernels->accumulate(row, sums, C);
      if (!most) return machine.kernels->accumulate_squares(row, machine.zeros, sums, C);
      const float* both[] = {sums, row};
      machine.kernels->maximum(both, 2, sums, C);
    };
    // An image may be large, so check from time to time whether to stop.
    const auto goes_on = [&](long i) { return i % chunk_rows != 0 || !machine.stop->load(std::memory_order_relaxed); };
    const auto each_row = [&](const auto& visit) -> long {
      if (whole) {
        for (long q = 0; q < plane && goes_on(q); q++) visit(source + (n * plane + q) * C);
        return plane;
      }
      const auto& pixels = region->pixels;
      // Image by image, whatever the order in each.
      const auto begin = std::lower_bound(pixels.begin(), pixels.end(), n * plane);
      const auto end = std::lower_bound(begin, pixels.end(), (n + 1) * plane);
      for (auto it = begin; it != end && goes_on(it - begin); ++it)
        visit(source + (layout == Layout::map ? *it : it - pixels.begin()) * C);
      return end - begin;
    };
    const long count = each_row(take);
    if (count == 0) return std::fill(sums, sums + C, 0.0f);
    if (!most && !all_finite(sums, C)) {
      std::vector<double> exact(C);
      each_row([&](const float* row) {
        for (long c = 0; c < C; c++) exact[c] += mean ? static_cast<double>(row[c]) : static_cast<double>(row[c]) * static_cast<double>(row[c]);
      });
      for (long c = 0; c < C; c++)
        sums[c] = static_cast<float>(mean ? exact[c] / static_cast<double>(count) : std::sqrt(exact[c]));
      return;
    }
    if (how == Pooling::norm) {
      for (long c = 0; c < C; c++) sums[c] = std::sqrt(sums[c]);
      return;
    }
    const float scale = mean ? 1.0f / static_cast<float>(count) : 1.0f;
    for (long c = 0; c < C; c++) sums[c] *= scale;
  });
}

void add_maps(const Machine& machine, Extent map, const float* a, const float* b, float* destination,
              Activation activation) {
  add_rows(machine, map.channels, a, b, destination, activation, 0, map.pixels());
}

void add_rows(const Machine& machine, int channels, const float* a, const float* b, float* destination,
              Activation activation, long first, long last) {
  for_rows(machine, first, last, [&](long row) {
    const long offset = row * channels;
    machine.kernels->add(a + offset, b ? b + offset : nullptr, destination + offset, channels, activation);
  });
}

void gather(const Machine& machine, const Halo& halo, Extent input, const float* source, float* packed) {
  const long C = input.channels;
  machine.pool->for_each(machine.threads, halo.cells.size(), machine.stop, [&](long index, int) {
    const Halo::Cell& cell = halo.cells[index];
    float* out = packed + cell.offset * C;
    const long row_values = cell.width * C;
    const int left = std::max(0, cell.left), right = std::min(input.width, cell.left + cell.width);
    for (int i = 0; i < cell.height; i++, out += row_values) {
      const int y = cell.top + i;
      if (y < 0 || y >= input.height || left >= right) {
        std::fill(out, out + row_values, 0.0f);
        continue;
      }
      const float* row = source + (static_cast<long>(cell.image) * input.height + y) * input.width * C;
      std::fill(out, out + (left - cell.left) * C, 0.0f);
      std::memcpy(out + (left - cell.left) * C, row + left * C, (right - left) * C * sizeof(float));
      std::fill(out + (right - cell.left) * C, out + row_values, 0.0f);
    }
  });
}

void scatter(const Machine& machine, const Region& region, int channels, const float* packed,
             float* destination) {
  const long C = channels;
  const long pixels = region.map_pixels();
  const long chunks = (pixels + chunk_rows - 1) / chunk_rows;
  machine.pool->for_each(machine.threads, chunks, machine.stop, [&](long chunk, int) {
    const long first = chunk * chunk_rows, last = std::min(pixels, first + chunk_rows);
    if (region.all) {
      std::memcpy(destination + first * C, packed + first * C, (last - first) * C * sizeof(float));
      return;
    }
    if (region.by_cells) {
      for (long q = first; q < last; q++)
        if (!region.inside[q]) std::memset(destination + q * C, 0, C * sizeof(float));
      return;
    }
    auto next = std::lower_bound(region.pixels.begin(), region.pixels.end(), first);
    for (long q = first; q < last; q++) {
      float* out = destination + q * C;
      if (next != region.pixels.end() && *next == q) {
        std::memcpy(out, packed + (next - region.pixels.begin()) * C, C * sizeof(float));
        ++next;
      } else {
        std::memset(out, 0, C * sizeof(float));
      }
    }
  });
  if (!region.by_cells) return;
  for_rows(machine, region.count(), [&](long i) {
    std::memcpy(destination + region.pixels[i] * C, packed + i * C, C * sizeof(float));
  });
}

void scatter_add(const Machine& machine, const Region& region, int channels, const float* source, Layout layout,
                 const float* shortcut, float* map, Activation activation, long first, long last) {
  const long C = channels;
  for_rows(machine, first, last, [&](long i) {
    const long offset = (region.all ? i : region.pixels[i]) * C;
    const float* row = source + (layout == Layout::map ? offset : i * C);
    machine.kernels->add(shortcut + offset, row, map + offset, C, activation);
  });
}

void activate_pixels(const Machine& machine, const int32_t* pixels, long count, int channels, float* map,
                     Activation activation) {
  for_rows(machine, count, [&](long i) {
    float* row = map + static_cast<long>(pixels[i]) * channels;
    machine.kernels->add(row, nullptr, row, channels, activation);
  });
}

void scale_rows(const Machine& machine, Extent map, Layout layout, const Region* region, const float* scale,
                const float* weights, float* rows) {
  const long plane = static_cast<long>(map.height) * map.width;
  const long C = map.channels;
  const bool whole = !region || region->all;
  const long count = whole ? map.pixels() : region->count();
  for_rows(machine, count, [&](long i) {
    const long pixel = whole ? i : region->pixels[i];
    float* row = rows + (layout == Layout::map ? pixel : i) * C;
    machine.kernels->multiply(row, scale + pixel / plane * C, row, C);
    if (!weights) return;
    const float weight = weights[pixel];
    for (long c = 0; c < C; c++) row[c] *= weight;
  });
}

void summarise_rows(const Machine& machine, Extent map, const Region* region, const float* scale, const float* rows,
                    float* summaries) {
  const long plane = static_cast<long>(map.height) * map.width;
  const long C = map.channels;
  const bool whole = !region || region->all;
  if (!whole) std::fill(summaries, summaries + 2 * map.pixels(), 0.0f);
  for_rows(machine, whole ? map.pixels() : region->count(), [&](long i) {
    const long pixel = whole ? i : region->pixels[i];
    const float* row = rows + pixel * C;
    const float* factors = scale + pixel / plane * C;
    // Several partial results, so that the loop need not wait for each addition.
    constexpr int lanes = 16;
    float sums[lanes] = {}, most[lanes];
    std::fill(most, most + lanes, -std::numeric_limits<float>::infinity());
    const auto take = [&](long c, int lane) {
      const float value = row[c] * factors[c];
      sums[lane] += value;
      most[lane] = std::max(most[lane], value);
    };
    long c = 0;
    for (; c + lanes <= C; c += lanes)
      for (int lane = 0; lane < lanes; lane++) take(c + lane, lane);
    for (int lane = 0; c < C; c++, lane++) take(c, lane);
    summaries[2 * pixel] = std::accumulate(sums, sums + lanes, 0.0f) / static_cast<float>(C);
    summaries[2 * pixel + 1] = *std::max_element(most, most + lanes);
  });
}

void copy_padded(const Machine& machine, Extent input, const float* source, int pad_top, int pad_left, Extent padded,
                 float* destination) {
  const long row_values = static_cast<long>(input.width) * input.channels;
  const long padded_values = static_cast<long>(padded.width) * padded.channels;
  const long left = static_cast<long>(pad_left) * input.channels;
  for_rows(machine, static_cast<long>(padded.batch) * padded.height, [&](long row) {
    const long image = row / padded.height, y = row % padded.height - pad_top;
    float* out = destination + row * padded_values;
    if (y < 0 || y >= input.height) {
      std::fill(out, out + padded_values, 0.0f);
      return;
    }
    std::fill(out, out + left, 0.0f);
    std::memcpy(out + left, source + (image * input.height + y) * row_values, row_values * sizeof(float));
    std::fill(out + left + row_values, out + padded_values, 0.0f);
  });
}

void decide_learned(const Machine& machine, const float* pooled, int channels, const float* weight, float bias,
                    Mask& mask) {
  for (long cell = 0; cell < mask.cell_count(); cell++) {
    const float margin = machine.kernels->dot(pooled + cell * channels, weight, channels) + bias;
    mask.margins[cell] = margin;
    mask.cells[cell] = margin >= 0;
  }
}

void decide_salient(const Machine& machine, const float* pooled, int channels, double rate, Mask& mask) {
  const long plane = static_cast<long>(mask.rows) * mask.columns;
  const long kept = std::lround(rate * static_cast<double>(plane));
  std::vector<int32_t>& order = mask.order;
  for (int n = 0; n < mask.batch; n++) {
    float* energy = mask.margins.data() + n * plane;
    uint8_t* cells = mask.cells.data() + n * plane;
    for (long cell = 0; cell < plane; cell++) {
      const float* values = pooled + (n * plane + cell) * channels;
      energy[cell] = machine.kernels->dot(values, values, channels);
    }
    std::iota(order.begin(), order.end(), 0);
    // NaN counts as the least energy, which keeps the order strict.
    const auto key = [&](int32_t cell) {
      return std::isnan(energy[cell]) ? -std::numeric_limits<float>::infinity() : energy[cell];
    };
    // The order is a total one: which cells come first does not depend on how they are found.
    const auto last_kept = order.begin() + std::max(0L, kept - 1);
    std::nth_element(order.begin(), last_kept, order.end(), [&](int32_t a, int32_t b) {
      return key(a) != key(b) ? key(a) > key(b) : a < b;
    });
    std::fill(cells, cells + plane, uint8_t{0});
    for (long i = 0; i < kept; i++) cells[order[i]] = 1;
    const float threshold = kept > 0 ? key(order[kept - 1]) : 0;
    for (long cell = 0; cell < plane; cell++)
      energy[cell] = kept > 0 ? energy[cell] - threshold : -energy[cell];
  }
}

}  // namespace fovea
