import { setImmediate } from 'node:timers/promises';
import { FoveaError } from '../../errors.js';
import type { Normalisation } from '../../image/normalise.js';
import { Random } from '../../random.js';
import { objectLabels } from './objects.js';
import { drawScene } from './scene.js';

/** Labelled images of one size, held as bytes, and how they are normalised for a network. */
export interface Dataset extends Normalisation {
  readonly size: number;
  readonly count: number;
  /** Class names in the order of their labels. */
  readonly labels: readonly string[];
  /** `count · size · size · 3` values. */
  readonly pixels: Uint8Array;
  readonly targets: Int32Array;
  /** `count · size · size` values, 1 on the object; absent when it is not known. */
  readonly regions?: Uint8Array;
}

/** What `generateDataset` draws. */
export interface GenerateOptions {
  readonly seed: number;
  readonly count: number;
  /** Side in pixels, 64…1024. */
  readonly size: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, count: number) => void;
}

/**
 * Draws `count` images, the classes equally often and in random order.
 * @throws FoveaError `bad-argument` for a count or size out of range, `aborted`
 *
 * @example
 * ```ts
 * import { generateDataset, imagesOf } from '@fovea/engine/train';
 *
 * const scenes = await generateDataset({ seed: 1, count: 8, size: 64 });
 * console.log(scenes.labels[scenes.targets[0]!], imagesOf(scenes, [0]).shape); // [1, 64, 64, 3]
 * ```
 */
export async function generateDataset(options: GenerateOptions): Promise<Dataset> {
  const { seed, count, size, signal, onProgress } = options;
  if (!Number.isInteger(count) || count < 1 || count * size * size * 4 > 2 ** 32) {
    throw new FoveaError(
      'bad-argument',
      `${count} images of side ${size}: at least 1 image and at most 4 GiB are accepted`,
    );
  }
  const targets = new Int32Array(count).map((_, i) => i % objectLabels.length);
  new Random(seed, 2 ** 40).shuffle(targets);
  const plane = size * size;
  const pixels = new Uint8Array(count * plane * 3);
  const regions = new Uint8Array(count * plane);
  for (let i = 0; i < count; i++) {
    const scene = drawScene(seed, i, targets[i]!, size);
    pixels.set(scene.pixels, i * plane * 3);
    regions.set(scene.region, i * plane);
    if (i % 16 === 15) {
      await setImmediate();
      if (signal?.aborted)
        throw new FoveaError('aborted', `drawing images was aborted after ${i + 1} of ${count}`);
      onProgress?.(i + 1, count);
    }
  }
  return { size, count, labels: objectLabels, pixels, targets, regions };
}
