import { FoveaError } from '../errors.js';
import { Tensor } from '../tensor.js';
import type { RgbImage } from './decode.js';
import { loadSharp } from './sharp.js';

/** How an image becomes a network's input. */
export interface PreprocessOptions {
  readonly height: number;
  readonly width: number;
  /**
   * - `crop`: scaled so that the input is `cropFraction` of it, then cut out of the middle (torchvision's
   *   evaluation, the default)
   * - `stretch`: scaled to the input's size, sides on their own
   */
  readonly fit?: 'crop' | 'stretch';
  /** Part of the scaled image's shorter side that is kept; default 224 / 256. */
  readonly cropFraction?: number;
  /** Per channel, of values from 0 to 1; default ImageNet's. */
  readonly mean?: readonly [number, number, number];
  readonly deviation?: readonly [number, number, number];
  /**
   * 1 for a network of grey images: their luma (ITU-R BT.601), normalised by the averages of the three channels'
   * statistics. Default 3.
   */
  readonly channels?: 1 | 3;
}

/** Statistics of ImageNet's training images, which torchvision's networks are trained with. */
export const imageNetMean = [0.485, 0.456, 0.406] as const;
export const imageNetDeviation = [0.229, 0.224, 0.225] as const;

/**
 * Scales (bilinear, antialiased), crops and normalises images: `(value / 255 − mean) / deviation`.
 * @returns `[images, height, width, channels]`
 * @throws FoveaError `bad-argument` for options out of range, `bad-shape` without images
 */
export async function preprocess(
  images: RgbImage | readonly RgbImage[],
  {
    height,
    width,
    fit = 'crop',
    cropFraction = 224 / 256,
    mean = imageNetMean,
    deviation = imageNetDeviation,
    channels = 3,
  }: PreprocessOptions,
): Promise<Tensor> {
  const list = 'data' in images ? [images] : images;
  if (list.length === 0) throw new FoveaError('bad-shape', 'no image given; at least one is accepted');
  for (const [name, extent] of Object.entries({ height, width })) {
    if (!(Number.isInteger(extent) && extent >= 1 && extent <= 16_384)) {
      throw new FoveaError('bad-argument', `${name} ${extent}: an integer from 1 to 16384 is accepted`);
    }
  }
  if (!(cropFraction > 0 && cropFraction <= 1)) {
    throw new FoveaError(
      'bad-argument',
      `cropFraction ${cropFraction}: a number above 0, up to 1, is accepted`,
    );
  }
  if (deviation.some((value) => !(value > 0))) {
    throw new FoveaError('bad-argument', `deviation [${deviation.join(', ')}]: numbers above 0 are accepted`);
  }
  const tensor = Tensor.zeros([list.length, height, width, channels]);
  const plane = height * width * channels;
  const [means, deviations] = channels === 1 ? [[average(mean)], [average(deviation)]] : [mean, deviation];
  for (const [n, image] of list.entries()) {
    const rgb = await scaled(image, height, width, fit, cropFraction);
    const pixels = channels === 1 ? lumaOf(rgb) : rgb;
    for (let i = 0; i < plane; i++) {
      const c = i % channels;
      tensor.data[n * plane + i] = (pixels[i]! / 255 - means[c]!) / deviations[c]!;
    }
  }
  return tensor;
}

const average = ([a, b, c]: readonly [number, number, number]) => (a + b + c) / 3;

/** One value per pixel, weighted as ITU-R BT.601 says. */
function lumaOf(rgb: Uint8Array): Float32Array {
  return Float32Array.from(
    { length: rgb.length / 3 },
    (_, i) => 0.299 * rgb[3 * i]! + 0.587 * rgb[3 * i + 1]! + 0.114 * rgb[3 * i + 2]!,
  );
}

/** `height · width · 3` bytes. */
async function scaled(
  { width: fromWidth, height: fromHeight, data }: RgbImage,
  height: number,
  width: number,
  fit: 'crop' | 'stretch',
  cropFraction: number,
): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const source = sharp(data, { raw: { width: fromWidth, height: fromHeight, channels: 3 } });
  const resize = (toWidth: number, toHeight: number) =>
    source.resize(toWidth, toHeight, { fit: 'fill', kernel: 'linear', fastShrinkOnLoad: false });
  if (fit === 'stretch') return resize(width, height).raw().toBuffer();
  const scale = Math.max(width / fromWidth, height / fromHeight) / cropFraction;
  const toWidth = Math.max(width, Math.round(fromWidth * scale));
  const toHeight = Math.max(height, Math.round(fromHeight * scale));
  const left = Math.round((toWidth - width) / 2);
  const top = Math.round((toHeight - height) / 2);
  return resize(toWidth, toHeight).extract({ left, top, width, height }).raw().toBuffer();
}
