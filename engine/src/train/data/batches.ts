import { expectArgument } from '../../arguments/expect.js';
import { aCount, aDataset, aPosition, either, listOf, oneOf } from '../../arguments/kinds.js';
import { FoveaError } from '../../errors.js';
import { normaliserTables } from '../../image/normalise.js';
import { normalised } from '../../image/preprocess.js';
import { Random } from '../../random.js';
import { Tensor } from '../../tensor.js';
import type { Dataset } from './dataset.js';

/** How one image of a batch is varied. */
interface Variation {
  readonly flip: boolean;
  /** Shift in pixels; what is uncovered repeats the edge. */
  readonly dx: number;
  readonly dy: number;
  /** Added to each normalised channel. */
  readonly tint: readonly [number, number, number];
}

const unchanged: Variation = { flip: false, dx: 0, dy: 0, tint: [0, 0, 0] };

/** The images' order in one epoch; the same for the same seed and epoch. */
export function epochOrder(count: number, seed: number, epoch: number): Int32Array {
  const order = new Int32Array(count).map((_, i) => i);
  return new Random(seed, 1_000_000 + epoch).shuffle(order);
}

/**
 * Writes images into a batch, normalised, NHWC; with `augment`, mirrored, shifted by up to a sixteenth of
 * their sides and tinted at random, the same way for the same seed and step.
 * @param order positions in the dataset, one per image of the batch
 */
export function fillBatch(
  dataset: Dataset,
  order: ArrayLike<number>,
  images: Float32Array,
  labels: Int32Array,
  augment?: { readonly seed: number; readonly step: number },
): void {
  const tables = normaliserTables(dataset);
  const random = augment && new Random(augment.seed, 2_000_000 + augment.step);
  const shift = (extent: number) => random!.below(2 * (extent >> 4) + 1) - (extent >> 4);
  for (let n = 0; n < order.length; n++) {
    const variation: Variation = random
      ? {
          flip: random.next() < 0.5,
          dx: shift(dataset.width),
          dy: shift(dataset.height),
          tint: [0, 1, 2].map(() => 0.3 * (random.next() - 0.5)) as unknown as Variation['tint'],
        }
      : unchanged;
    writeImage(dataset, tables, order[n]!, images, n, variation);
    labels[n] = dataset.targets[order[n]!]!;
  }
}

/**
 * Images of a dataset as a network takes them: `[N, height, width, channels]`, normalised.
 * @param positions which images; the first `n` when a number is given
 * @param channels 1 for a network of grey images, as `preprocess` makes them
 */
export function imagesOf(
  dataset: Dataset,
  positions: number | readonly number[],
  channels: 1 | 3 = 3,
): Tensor {
  expectArgument(dataset, aDataset, 'imagesOf: dataset');
  expectArgument(positions, either(aCount, listOf(aPosition, 'positions')), 'imagesOf: positions');
  expectArgument(channels, oneOf([1, 3]), 'imagesOf: channels');
  const order =
    typeof positions === 'number'
      ? Array.from({ length: Math.min(positions, dataset.count) }, (_, i) => i)
      : positions;
  const outside = order.find((position) => position >= dataset.count);
  if (outside !== undefined || order.length === 0)
    throw new FoveaError(
      'bad-argument',
      `imagesOf: position ${outside ?? 'none'} of ${dataset.count} images; 0 to ${dataset.count - 1} are accepted`,
    );
  const { height, width, pixels } = dataset;
  const plane = height * width * 3;
  if (channels === 1) {
    const chosen = order.map((index) => pixels.subarray(index * plane, (index + 1) * plane));
    return normalised(chosen, { ...dataset, channels });
  }
  const tensor = Tensor.zeros([order.length, height, width, 3]);
  fillBatch(dataset, order, tensor.data, new Int32Array(order.length));
  return tensor;
}

function writeImage(
  { height, width, pixels }: Dataset,
  tables: readonly Float32Array[],
  index: number,
  images: Float32Array,
  n: number,
  variation: Variation,
): void {
  const { flip, dx, dy, tint } = variation;
  const columns = Int32Array.from({ length: width }, (_, x) => {
    const moved = Math.max(0, Math.min(width - 1, x + dx));
    return 3 * (flip ? width - 1 - moved : moved);
  });
  const [red, green, blue] = tables as readonly [Float32Array, Float32Array, Float32Array];
  const [r, g, b] = tint;
  const start = index * height * width * 3;
  let at = n * height * width * 3;
  for (let y = 0; y < height; y++) {
    const row = start + Math.max(0, Math.min(height - 1, y + dy)) * width * 3;
    for (let x = 0; x < width; x++, at += 3) {
      const from = row + columns[x]!;
      images[at] = red[pixels[from]!]! + r;
      images[at + 1] = green[pixels[from + 1]!]! + g;
      images[at + 2] = blue[pixels[from + 2]!]! + b;
    }
  }
}
