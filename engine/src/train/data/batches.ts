import { normaliserTables } from '../../image/normalise.js';
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
 * the side and tinted at random, the same way for the same seed and step.
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
  const reach = dataset.size >> 4;
  const shift = () => random!.below(2 * reach + 1) - reach;
  for (let n = 0; n < order.length; n++) {
    const variation: Variation = random
      ? {
          flip: random.next() < 0.5,
          dx: shift(),
          dy: shift(),
          tint: [0, 1, 2].map(() => 0.3 * (random.next() - 0.5)) as unknown as Variation['tint'],
        }
      : unchanged;
    writeImage(dataset, tables, order[n]!, images, n, variation);
    labels[n] = dataset.targets[order[n]!]!;
  }
}

/**
 * Images of a dataset as a network takes them: `[N, size, size, 3]`, normalised.
 * @param positions which images; the first `n` when a number is given
 */
export function imagesOf(dataset: Dataset, positions: number | readonly number[]): Tensor {
  const order =
    typeof positions === 'number'
      ? Array.from({ length: Math.min(positions, dataset.count) }, (_, i) => i)
      : positions;
  const tensor = Tensor.zeros([order.length, dataset.size, dataset.size, 3]);
  fillBatch(dataset, order, tensor.data, new Int32Array(order.length));
  return tensor;
}

function writeImage(
  { size, pixels }: Dataset,
  tables: readonly Float32Array[],
  index: number,
  images: Float32Array,
  n: number,
  variation: Variation,
): void {
  const { flip, dx, dy, tint } = variation;
  const columns = Int32Array.from({ length: size }, (_, x) => {
    const moved = Math.max(0, Math.min(size - 1, x + dx));
    return 3 * (flip ? size - 1 - moved : moved);
  });
  const [red, green, blue] = tables as readonly [Float32Array, Float32Array, Float32Array];
  const [r, g, b] = tint;
  const start = index * size * size * 3;
  let at = n * size * size * 3;
  for (let y = 0; y < size; y++) {
    const row = start + Math.max(0, Math.min(size - 1, y + dy)) * size * 3;
    for (let x = 0; x < size; x++, at += 3) {
      const from = row + columns[x]!;
      images[at] = red[pixels[from]!]! + r;
      images[at + 1] = green[pixels[from + 1]!]! + g;
      images[at + 2] = blue[pixels[from + 2]!]! + b;
    }
  }
}
