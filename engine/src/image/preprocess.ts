import { expectArgument, expectOptions, type Kinds } from '../arguments/expect.js';
import { aNumber, anImage, aText, either, listOf, numbers, oneOf } from '../arguments/kinds.js';
import { FoveaError } from '../errors.js';
import { Tensor } from '../tensor.js';
import type { RgbImage } from './decode.js';
import { type Normalisation, normaliserOf, normaliserTables } from './normalise.js';
import { type ImageSize, type Scaling, scaleImage } from './scale.js';

/** How images become a network's input, whatever its size: the one rule for all commands, notebooks and panels. */
export interface Preprocessing extends Scaling, Normalisation {}

/** How an image becomes a network's input. */
export interface PreprocessOptions extends Preprocessing, ImageSize {
  /**
   * 1 for a network of grey images: their luma (ITU-R BT.601), normalised by the averages of the three channels'
   * statistics. Default 3.
   */
  readonly channels?: 1 | 3;
}

/** What each of them is; their checks say which. */
export const preprocessingKinds: Kinds<Preprocessing> = {
  fit: aText,
  cropFraction: aNumber,
  mean: numbers,
  deviation: numbers,
};
const preprocessOptionKinds: Kinds<PreprocessOptions> = {
  ...preprocessingKinds,
  height: aNumber,
  width: aNumber,
  channels: oneOf([1, 3]),
};

/**
 * Scales (bilinear, antialiased), crops and normalises images: `(value / 255 − mean) / deviation`.
 * @returns `[images, height, width, channels]`
 * @throws FoveaError `bad-argument` for options out of range, `bad-shape` without images
 *
 * @example
 * ```ts
 * import { preprocess } from '@fovea/engine';
 *
 * const grey = { width: 320, height: 240, data: new Uint8Array(320 * 240 * 3).fill(128) };
 * const input = await preprocess(grey, { height: 224, width: 224 });
 * console.log(input.shape); // [1, 224, 224, 3]
 * ```
 */
export async function preprocess(
  images: RgbImage | readonly RgbImage[],
  options: PreprocessOptions,
): Promise<Tensor> {
  expectOptions(options, preprocessOptionKinds, 'preprocess');
  const { height, width, channels = 3, ...how } = options;
  expectArgument(images, either(anImage, listOf(anImage, 'them')), 'preprocess: images');
  const list = 'data' in images ? [images] : images;
  if (list.length === 0) throw new FoveaError('bad-shape', 'no image given; at least one is accepted');
  const pixels: Uint8Array[] = [];
  for (const image of list) pixels.push(await scaleImage(image, { height, width, ...how }));
  return normalised(pixels, { height, width, channels, ...how });
}

/**
 * Normalises images that have the network's size already.
 * @param images `height · width · 3` bytes each: red, green, blue
 * @returns `[images, height, width, channels]`
 * @throws FoveaError `bad-argument` for options out of range, `bad-shape` for images of another size
 */
export function normalised(
  images: readonly Uint8Array[],
  { height, width, channels = 3, ...statistics }: Normalisation & ImageSize & { readonly channels?: 1 | 3 },
): Tensor {
  const write = imageWriter(statistics, channels);
  const tensor = Tensor.zeros([images.length, height, width, channels]);
  const plane = height * width * channels;
  for (const [n, rgb] of images.entries()) {
    if (rgb.length !== height * width * 3) {
      throw new FoveaError(
        'bad-shape',
        `image of ${rgb.length} bytes; ${height * width * 3} (${height} x ${width} x 3) are accepted`,
      );
    }
    write(rgb, tensor.data, n * plane);
  }
  return tensor;
}

/**
 * What writes the bytes of one image (`height · width · 3`) as a network takes them, into `images` from `at` on.
 * @throws FoveaError `bad-argument` for statistics that are out of range
 */
export function imageWriter(
  statistics: Normalisation,
  channels: 1 | 3,
): (rgb: Uint8Array, images: Float32Array, at: number) => void {
  if (channels === 1) {
    const normalise = normaliserOf(statistics, 1);
    return (rgb, images, at) => {
      for (let i = 0; i < rgb.length / 3; i++) images[at + i] = normalise(lumaOf(rgb, 3 * i), 0);
    };
  }
  const tables = normaliserTables(statistics);
  return (rgb, images, at) => {
    for (let i = 0; i < rgb.length; i += 3) {
      for (let c = 0; c < 3; c++) images[at + i + c] = tables[c]![rgb[i + c]!]!;
    }
  };
}

/** The luma of a pixel, as ITU-R BT.601 weights its red, green and blue. */
const lumaOf = (rgb: Uint8Array, at: number) =>
  Math.fround(0.299 * rgb[at]! + 0.587 * rgb[at + 1]! + 0.114 * rgb[at + 2]!);
