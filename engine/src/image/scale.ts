import { expectArgument } from '../arguments/expect.js';
import { aNumber, anObject, either } from '../arguments/kinds.js';
import { said } from '../arguments/said.js';
import { FoveaError } from '../errors.js';
import type { RgbImage } from './decode.js';
import { loadSharp } from './sharp.js';

/** How an image is brought to a network's size. */
export interface Scaling {
  /**
   * - `crop`: scaled so that the input is `cropFraction` of it, then cut out of the middle (torchvision's
   *   evaluation, the default)
   * - `stretch`: scaled to the input's size, sides on their own
   */
  readonly fit?: 'crop' | 'stretch';
  /** Part of the scaled image's shorter side that is kept, above 0 and up to 1; 224 / 256 when left out. */
  readonly cropFraction?: number;
}

/** Extents in pixels. */
export interface ImageSize {
  readonly height: number;
  readonly width: number;
}

/** Extents of images that are given as one side, or as height and width. */
export function sizeOf(size: number | ImageSize): ImageSize {
  expectArgument(size, either(aNumber, anObject), 'size');
  const { height, width } = typeof size === 'number' ? { height: size, width: size } : size;
  for (const [name, extent] of Object.entries({ height, width })) {
    if (!(Number.isInteger(extent) && extent >= 1 && extent <= 16_384)) {
      throw new FoveaError('bad-argument', `${name} ${said(extent)}: an integer from 1 to 16384 is accepted`);
    }
  }
  return { height, width };
}

/**
 * Scales an image (bilinear, antialiased) and crops it. Everything that a network sees comes through here: images
 * given on the command line, folders of them, notebooks' pictures and the live panel's.
 *
 * @returns `height · width · 3` bytes
 * @throws FoveaError `bad-argument` for a size or a crop out of range
 */
export async function scaleImage(
  { width: fromWidth, height: fromHeight, data }: RgbImage,
  { height, width, fit = 'crop', cropFraction = 224 / 256 }: ImageSize & Scaling,
): Promise<Uint8Array> {
  sizeOf({ height, width });
  if (fit !== 'crop' && fit !== 'stretch') {
    throw new FoveaError('bad-argument', `fit ${said(fit)}: crop or stretch is accepted`);
  }
  if (!(cropFraction > 0 && cropFraction <= 1)) {
    throw new FoveaError(
      'bad-argument',
      `cropFraction ${cropFraction}: a number above 0, up to 1, is accepted`,
    );
  }
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
