import { setImmediate } from 'node:timers/promises';
import { expectOptions, type Kinds } from '../../arguments/expect.js';
import { aFunction, aNumber, anInteger, aSignal, later } from '../../arguments/kinds.js';
import { FoveaError } from '../../errors.js';
import { type Normalisation, normaliserOf, statisticsOf } from '../../image/normalise.js';
import { preprocessingKinds } from '../../image/preprocess.js';
import { type ImageSize, scaleImage, sizeOf } from '../../image/scale.js';
import { Random } from '../../random.js';
import { objectLabels } from './objects.js';
import { drawScene, type Scene, sceneSides } from './scene.js';

/** Labelled images of one size, held as bytes, and how they are normalised for a network. */
export interface Dataset extends Normalisation, ImageSize {
  readonly count: number;
  /** Class names in the order of their labels. */
  readonly labels: readonly string[];
  /** `count · height · width · 3` values: red, green, blue. */
  readonly pixels: Uint8Array;
  readonly targets: Int32Array;
  /** `count · height · width` values, 1 on the object; absent when it is not known. */
  readonly regions?: Uint8Array;
}

/** What `generateDataset` draws. */
export interface GenerateOptions extends Normalisation {
  readonly seed: number;
  readonly count: number;
  /** Height and width in pixels, or one side. Scenes are squares of 64 to 1024: others are cut out of one, and scaled. */
  readonly size: number | ImageSize;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, count: number) => void;
}

const generateOptionKinds: Kinds<GenerateOptions> = {
  seed: anInteger,
  count: aNumber,
  size: later,
  // A network's own says how to scale as well, and is given whole.
  ...preprocessingKinds,
  signal: aSignal,
  onProgress: aFunction,
};

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
  expectOptions(options, generateOptionKinds, 'generateDataset');
  const { seed, count, signal, onProgress } = options;
  const size = sizeOf(options.size);
  normaliserOf(options);
  const { height, width } = size;
  const plane = height * width;
  if (!Number.isInteger(count) || count < 1 || count * plane * 4 > 2 ** 32) {
    throw new FoveaError(
      'bad-argument',
      `${count} images of ${height} x ${width}: at least 1 image and at most 4 GiB are accepted`,
    );
  }
  const targets = new Int32Array(count).map((_, i) => i % objectLabels.length);
  new Random(seed, 2 ** 40).shuffle(targets);
  const side = Math.min(Math.max(height, width, sceneSides.smallest), sceneSides.largest);
  const pixels = new Uint8Array(count * plane * 3);
  const regions = new Uint8Array(count * plane);
  for (let i = 0; i < count; i++) {
    const scene = await fitted(drawScene(seed, i, targets[i]!, side), side, size);
    pixels.set(scene.pixels, i * plane * 3);
    regions.set(scene.region, i * plane);
    if (i % 16 === 15) {
      await setImmediate();
      if (signal?.aborted)
        throw new FoveaError('aborted', `drawing images was aborted after ${i + 1} of ${count}`);
      onProgress?.(i + 1, count);
    }
  }
  return { height, width, count, labels: objectLabels, pixels, targets, regions, ...statisticsOf(options) };
}

/** A scene at another size than the square it was drawn in; it has no margin to crop away. */
async function fitted(scene: Scene, side: number, to: ImageSize): Promise<Pick<Scene, 'pixels' | 'region'>> {
  if (to.height === side && to.width === side) return scene;
  const scale = (data: Uint8Array) =>
    scaleImage({ height: side, width: side, data }, { ...to, fit: 'crop', cropFraction: 1 });
  const shown = Uint8Array.from(
    { length: 3 * side * side },
    (_, i) => 255 * scene.region[Math.floor(i / 3)]!,
  );
  const scaled = await scale(shown);
  const region = Uint8Array.from({ length: to.height * to.width }, (_, i) => (scaled[3 * i]! > 127 ? 1 : 0));
  return { pixels: await scale(scene.pixels), region };
}
