#include "infer/joins.h"

#include <algorithm>
#include <cstring>

namespace fovea {

using limits::chunk_rows;

void copy_channels(const Machine& machine, Extent input, const float* source, int from, int count, Extent output,
                   float* destination, int to) {
  const long rows = input.pixels(), read = input.channels, written = output.channels;
  const long chunks = (rows + chunk_rows - 1) / chunk_rows;
  machine.pool->for_each(machine.threads, chunks, machine.stop, [&](long chunk, int) {
    const long end = std::min(rows, (chunk + 1) * chunk_rows);
    for (long row = chunk * chunk_rows; row < end; row++)
      std::memcpy(destination + row * written + to, source + row * read + from, count * sizeof(float));
  });
}

void multiply(const Machine& machine, Extent map, const float* a, Extent scale, const float* b, float* output) {
  const long rows = map.pixels(), C = map.channels;
  const long plane = rows / scale.pixels();
  const bool by_pixel = scale.channels < C;
  const long chunks = (rows + chunk_rows - 1) / chunk_rows;
  machine.pool->for_each(machine.threads, chunks, machine.stop, [&](long chunk, int) {
    const long end = std::min(rows, (chunk + 1) * chunk_rows);
    for (long row = chunk * chunk_rows; row < end; row++) {
      if (by_pixel) {
        const float factor = b[row / plane];
        for (long c = 0; c < C; c++) output[row * C + c] = a[row * C + c] * factor;
      } else {
        machine.kernels->multiply(a + row * C, b + row / plane * C, output + row * C, C);
      }
    }
  });
}

void resize(const Machine& machine, Interpolation interpolation, Extent input, const float* source, Extent output,
            float* destination) {
  const Sampling down(interpolation, input.height, output.height / input.height);
  const Sampling across(interpolation, input.width, output.width / input.width);
  const long C = input.channels;
  const long map_rows = static_cast<long>(output.batch) * output.height;
  machine.pool->for_each(machine.threads, map_rows, machine.stop, [&](long row, int) {
    const float* image = source + row / output.height * input.height * input.width * C;
    const Sample y = down.at(row % output.height);
    const float *above = image + y.low * input.width * C, *below = image + y.high * input.width * C;
    float* out = destination + row * output.width * C;
    for (long i = 0; i < output.width; i++, out += C) {
      const Sample x = across.at(i);
      if (interpolation == Interpolation::nearest) {
        std::memcpy(out, above + x.low * C, C * sizeof(float));
        continue;
      }
      const float* corners[mixed_rows] = {above + x.low * C, above + x.high * C, below + x.low * C, below + x.high * C};
      const float shares[mixed_rows] = {(1 - y.share) * (1 - x.share), (1 - y.share) * x.share, y.share * (1 - x.share),
                              y.share * x.share};
      machine.kernels->mix(corners, shares, out, C);
    }
  });
}

}  // namespace fovea
