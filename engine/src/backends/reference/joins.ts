import type { Interpolation } from '../../network/network.js';
import { samplingOf } from '../../network/sampling.js';
import type { OperationOf } from '../../program/program.js';
import { type Shape, Tensor } from '../../tensor.js';
import { mapped } from './mapped.js';

/** `before` with some of its channels taken from another map of as many pixels. */
export function copyChannels(
  source: Tensor,
  before: Tensor,
  { from, count, to }: Pick<OperationOf<'copy-channels'>, 'from' | 'count' | 'to'>,
): Tensor {
  const [sourceChannels, C] = [source.shape[3], before.shape[3]];
  return mapped(before, (value, i) => {
    const channel = (i % C) - to;
    return channel >= 0 && channel < count
      ? source.data[Math.floor(i / C) * sourceChannels + from + channel]!
      : value;
  });
}

/** A map times another of its size, times a vector for each image, or times a value for each pixel. */
export function product(map: Tensor, scale: Tensor): Tensor {
  const [, H, W, C] = map.shape;
  const [, height, width, channels] = scale.shape;
  const plane = height * width === 1 ? H * W : 1;
  return mapped(map, (value, i) => {
    const pixel = Math.floor(i / C);
    return value * scale.data[Math.floor(pixel / plane) * channels + (channels === 1 ? 0 : i % C)]!;
  });
}

/** A map made larger by whole factors. */
export function resized(input: Tensor, shape: Shape, interpolation: Interpolation): Tensor {
  const [N, H, W, C] = input.shape;
  const [, height, width] = shape;
  const output = Tensor.zeros(shape);
  const rows = placesOf(interpolation, H, height);
  const columns = placesOf(interpolation, W, width);
  for (let n = 0; n < N; n++) {
    for (const [y, row] of rows.entries()) {
      for (const [x, column] of columns.entries()) {
        for (let c = 0; c < C; c++) {
          const value = (sy: number, sx: number) => input.data[((n * H + sy) * W + sx) * C + c]!;
          const along = (sy: number) => mix(value(sy, column.low), value(sy, column.high), column.share);
          output.data[((n * height + y) * width + x) * C + c] = mix(
            along(row.low),
            along(row.high),
            row.share,
          );
        }
      }
    }
  }
  return output;
}

const mix = (low: number, high: number, share: number) => (1 - share) * low + share * high;

/** For each position of a larger map: the two positions around it in the smaller one, and the second's share. */
function placesOf(interpolation: Interpolation, extent: number, larger: number) {
  const { step, offset, per } = samplingOf(interpolation, extent, larger / extent);
  return Array.from({ length: larger }, (_, position) => {
    const place = Math.min(Math.max(step * position + offset, 0), (extent - 1) * per);
    const low = Math.floor(place / per);
    if (interpolation === 'nearest') return { low, high: low, share: 0 };
    return { low, high: Math.min(low + 1, extent - 1), share: (place % per) / per };
  });
}
