import { type AttendedPixel, attendedPixels } from '../../network/attended-pixels.js';
import { attendedPlaces, type HeadChannels, type PixelAttention } from '../../network/pixel-attention.js';
import { type Shape, Tensor } from '../../tensor.js';

/** What an attention over pixels reads; a context has no query. */
interface Attended {
  readonly query?: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
}

/** Attention over pixels, image by image, place by place, pixel by pixel and head by head. */
export function attendPixels(
  attention: PixelAttention,
  { query, key, value }: Attended,
  shape: Shape,
): Tensor {
  const { heads, depth, width } = attention;
  const output = Tensor.zeros(shape);
  const [N, , , C] = shape;
  for (let n = 0; n < N; n++) {
    for (let place = 0; place < attendedPlaces(attention, key.shape); place++) {
      const keys = attendedPixels(attention, key.shape, place);
      const seen = keys.map((pixel) => pixelAt(key, n, pixel));
      attendedPixels(attention, shape, place).forEach((asking, position) => {
        const pixel = pixelAt(output, n, asking);
        const added = addedTo(attention, asking, position, keys);
        for (let head = 0; head < heads; head++) {
          const row = query && attention.query && headRow(query, pixel, attention.query, head, depth);
          const weights = weigh(
            attention,
            row,
            seen.map((at) => headRow(key, at, attention.key, head, depth)),
            (i) => added(head, i),
          );
          for (let c = 0; c < width; c++) {
            let sum = 0;
            const from = attention.value.first + head * attention.value.step + c;
            seen.forEach((at, i) => {
              sum += weights[i]! * value.data[at * value.shape[3] + from]!;
            });
            output.data[pixel * C + head * width + c] = sum;
          }
        }
      });
    }
  }
  return output;
}

const pixelAt = ({ shape: [, H, W] }: Tensor, n: number, { y, x }: AttendedPixel) => (n * H + y) * W + x;

/** What is added to the products of a query, which is the `position`-th of those that see each other. */
function addedTo(
  { bias, windows }: PixelAttention,
  query: AttendedPixel,
  position: number,
  keys: readonly AttendedPixel[],
): (head: number, key: number) => number {
  return (head, key) => {
    const placed = bias ? bias.values[(head * bias.queries + position) * bias.keys + key]! : 0;
    return windows && keys[key]!.edge !== query.edge ? placed + windows.apart : placed;
  };
}

/** The channels of a head at a pixel. */
function headRow(
  { data, shape }: Tensor,
  pixel: number,
  { first, step }: HeadChannels,
  head: number,
  channels: number,
): Float32Array {
  const from = pixel * shape[3] + first + head * step;
  return data.subarray(from, from + channels);
}

/**
 * What the values of keys are multiplied with for one query.
 * @param added to the products with each of the keys
 */
function weigh(
  { by, scale, epsilon }: PixelAttention,
  query: Float32Array | undefined,
  keys: readonly Float32Array[],
  added: (key: number) => number,
): number[] {
  const positive = (value: number) => Math.max(0, value);
  const dot = (key: Float32Array, of: (value: number) => number) =>
    query ? query.reduce((sum, value, c) => sum + of(value) * of(key[c]!), 0) : of(key[0]!);
  if (by === 'linear') {
    const products = keys.map((key) => dot(key, positive));
    const total = products.reduce((sum, product) => sum + product, epsilon);
    return products.map((product) => product / total);
  }
  const products = keys.map((key, i) => scale * dot(key, (value) => value) + added(i));
  const most = products.reduce((largest, product) => Math.max(largest, product), Number.NEGATIVE_INFINITY);
  const powers = products.map((product) => Math.exp(product - most));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}
