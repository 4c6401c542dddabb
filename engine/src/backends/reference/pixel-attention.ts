import type { HeadChannels, PixelAttention } from '../../network/network.js';
import { type Shape, Tensor } from '../../tensor.js';

/** What an attention over pixels reads; a context has no query. */
interface Attended {
  readonly query?: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
}

/** Attention over pixels, image by image, head by head and pixel by pixel. */
export function attendPixels(
  attention: PixelAttention,
  { query, key, value }: Attended,
  shape: Shape,
): Tensor {
  const { heads, depth, width, patch } = attention;
  const output = Tensor.zeros(shape);
  const [N, H, W, C] = shape;
  const seen = placesIn(patch, key.shape);
  for (let n = 0; n < N; n++) {
    for (let y = 0; y < H; y++) {
      for (let x = 0; x < W; x++) {
        const keys = seen(n, y % patch[0], x % patch[1]);
        const pixel = (n * H + y) * W + x;
        for (let head = 0; head < heads; head++) {
          const row = query && attention.query && headRow(query, pixel, attention.query, head, depth);
          const weights = weigh(
            attention,
            row,
            keys.map((at) => headRow(key, at, attention.key, head, depth)),
          );
          for (let c = 0; c < width; c++) {
            let sum = 0;
            const from = attention.value.first + head * attention.value.step + c;
            keys.forEach((at, i) => {
              sum += weights[i]! * value.data[at * value.shape[3] + from]!;
            });
            output.data[pixel * C + head * width + c] = sum;
          }
        }
      }
    }
  }
  return output;
}

/** The pixels at one place of every patch of an image. */
function placesIn([height, width]: readonly [number, number], [, H, W]: Shape) {
  return (n: number, top: number, left: number): number[] => {
    const places: number[] = [];
    for (let y = top; y < H; y += height)
      for (let x = left; x < W; x += width) places.push((n * H + y) * W + x);
    return places;
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

/** What the values of keys are multiplied with for one query. */
function weigh(
  { by, scale, epsilon }: PixelAttention,
  query: Float32Array | undefined,
  keys: readonly Float32Array[],
): number[] {
  const positive = (value: number) => Math.max(0, value);
  const dot = (key: Float32Array, of: (value: number) => number) =>
    query ? query.reduce((sum, value, c) => sum + of(value) * of(key[c]!), 0) : of(key[0]!);
  if (by === 'linear') {
    const products = keys.map((key) => dot(key, positive));
    const total = products.reduce((sum, product) => sum + product, epsilon);
    return products.map((product) => product / total);
  }
  const products = keys.map((key) => scale * dot(key, (value) => value));
  const most = products.reduce((largest, product) => Math.max(largest, product), Number.NEGATIVE_INFINITY);
  const powers = products.map((product) => Math.exp(product - most));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}
