import { FoveaError } from '../errors.js';
import { readFileBytes } from '../file.js';
import { loadSharp } from './sharp.js';

/** An image in 8-bit RGB, rows from top to bottom. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  /** `height · width · 3` values. */
  readonly data: Uint8Array;
}

/** A small file can claim any size; larger images are refused before memory is spent on them. */
const mostPixels = 100_000_000;

/**
 * Decodes a PNG or JPEG (and what else the image library reads), turned upright as its metadata says, without
 * transparency.
 *
 * @param source the file's name, for messages
 * @throws FoveaError `bad-file` naming the file when it is no image, cut off or damaged, or larger than 100
 *   megapixels
 */
export async function decodeImage(bytes: Uint8Array, source: string): Promise<RgbImage> {
  const sharp = await loadSharp();
  try {
    const { data, info } = await sharp(bytes, { failOn: 'warning', limitInputPixels: mostPixels, pages: 1 })
      .autoOrient()
      .removeAlpha()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data: asRgb(data, info.channels) };
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0];
    throw new FoveaError('bad-file', `${source} is not a readable image: ${reason}`, { cause });
  }
}

/**
 * Reads and decodes an image file.
 * @throws FoveaError `io` when it cannot be read, `bad-file` when it is damaged
 */
export async function readImage(path: string): Promise<RgbImage> {
  return decodeImage(await readFileBytes(path), path);
}

/** True when the bytes begin as a PNG or a JPEG does. */
export function looksLikeImage(bytes: Uint8Array): boolean {
  const png = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
  const jpeg = [0xff, 0xd8, 0xff];
  return [png, jpeg].some((magic) => magic.every((byte, i) => bytes[i] === byte));
}

/** Grey images decode to one channel. */
function asRgb(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const rgb = new Uint8Array((data.length / channels) * 3);
  for (let i = 0; i < rgb.length; i++) rgb[i] = data[Math.floor(i / 3) * channels]!;
  return rgb;
}
