import type { RgbImage } from '../../image/decode.js';
import type { ImageSize } from '../../image/scale.js';
import { Tensor } from '../../tensor.js';
import { type BatchSource, type CropStatistics, cropsOf, imagesOfTensor } from './batches.js';

/** What a run learns from, and what it is judged on. */
export interface SplitImages {
  readonly source: BatchSource;
  /** Images that no step learns from; other crops of the same photographs where too few were given. */
  readonly judged: Tensor;
  /** Images, or photographs, that no step sees any part of. */
  readonly heldBack: number;
}

/** How many of `count` images are held back: a fifth, but four where that leaves half; none of fewer than four. */
function heldBackOf(count: number): number {
  return count < 4 ? 0 : Math.max(Math.ceil(count / 5), Math.min(4, Math.floor(count / 2)));
}

/**
 * Holds a fifth of the images back, spread evenly over them, at most `most`.
 * @param most images that are judged on; photographs give several crops each
 */
export async function splitImages(
  images: Tensor | readonly RgbImage[],
  size: ImageSize,
  seed: number,
  most: number,
  statistics: CropStatistics = { channels: 3 },
): Promise<SplitImages> {
  const count = 'shape' in images ? images.shape[0] : images.length;
  const heldBack = Math.min(most, heldBackOf(count));
  const held = new Set(
    Array.from({ length: heldBack }, (_, i) => Math.floor(((i + 0.5) * count) / heldBack)),
  );
  const positions = Array.from({ length: count }, (_, i) => i);
  const sourceOf = (chosen: readonly number[], of: number) =>
    'shape' in images
      ? imagesOfTensor(takeImages(images, chosen), of)
      : cropsOf(
          chosen.map((i) => images[i]!),
          size,
          of,
          statistics,
        );
  const source = sourceOf(
    positions.filter((i) => !held.has(i)),
    seed,
  );
  // Another seed: where nothing is held back, at least the crops are others.
  const judge = sourceOf(heldBack > 0 ? [...held] : positions, seed + 1);
  return { source, judged: await judge.sample(most), heldBack };
}

/** Some images of a batch. */
function takeImages({ shape: [, H, W, C], data }: Tensor, positions: readonly number[]): Tensor {
  const plane = H * W * C;
  const taken = Tensor.zeros([positions.length, H, W, C]);
  positions.forEach((position, n) => {
    taken.data.set(data.subarray(position * plane, (position + 1) * plane), n * plane);
  });
  return taken;
}
