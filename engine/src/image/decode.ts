import { expectArgument } from '../arguments/expect.js';
import { aText } from '../arguments/kinds.js';
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

/** Of other samples, which TIFF files of measurements hold, nothing says what is black and what is white. */
const depths: ReadonlySet<string | undefined> = new Set(['uchar', 'ushort']);

/**
 * Decodes a PNG, JPEG, WebP, GIF, AVIF or TIFF by its content, of several frames the first, turned upright as its
 * metadata says, without transparency. A JPEG whose data is whole may lack its end marker, or have other bytes behind
 * it, as cameras and cut transfers leave them.
 *
 * @param source the file's name, for messages
 * @throws FoveaError `bad-file` naming the file when it is no image, cut off or damaged, larger than 100
 *   megapixels, or of samples that are no unsigned integers of 8 or 16 bits; `backend-unavailable` where images cannot be
 *   read at all
 */
export async function decodeImage(bytes: Uint8Array, source: string): Promise<RgbImage> {
  try {
    return await decode(bytes, source);
  } catch (cause) {
    if (cause instanceof FoveaError) throw cause;
    const ended = withEnd(bytes);
    const image = ended && (await decode(ended, source).catch(() => undefined));
    if (image) return image;
    const [reason, ...more] = (cause as Error).message.split('\n');
    throw unreadable(source, reason!, more.length > 0 ? { cause } : undefined);
  }
}

const unreadable = (source: string, reason: string, options?: { cause: unknown }) =>
  new FoveaError('bad-file', `${source} is not a readable image: ${reason}`, options);

async function decode(bytes: Uint8Array, source: string): Promise<RgbImage> {
  const sharp = await loadSharp();
  // The header alone is read without a limit, so that a refusal can name the size.
  const { width, height, depth } = await sharp(bytes, { limitInputPixels: false, pages: 1 }).metadata();
  if (width * height > mostPixels) {
    const accepted = `at most ${mostPixels / 1e6} million are accepted`;
    throw unreadable(source, `it has ${width} x ${height} pixels; ${accepted}`);
  }
  const image = sharp(bytes, { failOn: 'warning', limitInputPixels: mostPixels, pages: 1 });
  if (!depths.has(depth)) {
    const accepted = 'unsigned integers of 8 or 16 bits are accepted';
    throw unreadable(source, `its samples are of type ${depth}; ${accepted}`);
  }
  const { data, info } = await image
    .autoOrient()
    .removeAlpha()
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: asRgb(data, info.channels) };
}

/** A JPEG with an end marker; undefined for other files and where there is one. Missing pixels stay missing. */
function withEnd(bytes: Uint8Array): Uint8Array | undefined {
  if (!startsWith(bytes, signatures.jpeg) || bytes.length < 4) return undefined;
  const length = bytes[bytes.length - 1] === 0xff ? bytes.length - 1 : bytes.length;
  if (bytes[length - 2] === 0xff && bytes[length - 1] === 0xd9) return undefined;
  const ended = new Uint8Array(length + 2);
  ended.set(bytes.subarray(0, length));
  ended.set([0xff, 0xd9], length);
  return ended;
}

/**
 * Reads and decodes an image file.
 * @throws FoveaError `io` when it cannot be read, `bad-file` when it is damaged
 */
export async function readImage(path: string): Promise<RgbImage> {
  expectArgument(path, aText, 'readImage: path');
  return decodeImage(await readFileBytes(path), path);
}

/** The formats that {@link decodeImage} reads, in words. */
export const imageFormats = 'PNG, JPEG, WebP, GIF, AVIF and TIFF';

/** Names of files that hold images which {@link decodeImage} reads. */
export const imageFileName = /\.(png|jpe?g|webp|gif|avif|tiff?)$/i;

/** Names of files that hold images in formats which {@link decodeImage} does not read; the group is the ending. */
export const unreadImageFileName =
  /\.(bmp|dib|p[bgpn]m|ras|hei[cf]|jp2|j2k|jxl|tga|psd|exr|hdr|ico|svg|dng|cr[23]|nef|arw)$/i;

/** How files of each format begin; undefined for bytes that vary. */
const signatures = {
  png: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
  jpeg: [0xff, 0xd8, 0xff],
  gif: [0x47, 0x49, 0x46, 0x38],
  webp: [...text('RIFF'), ...new Array<undefined>(4).fill(undefined), ...text('WEBP')],
  tiffLittle: [0x49, 0x49, 0x2a, 0x00],
  tiffBig: [0x4d, 0x4d, 0x00, 0x2a],
  avif: [...new Array<undefined>(4).fill(undefined), ...text('ftypavif')],
  avifSequence: [...new Array<undefined>(4).fill(undefined), ...text('ftypavis')],
} as const;

function text(characters: string): number[] {
  return [...characters].map((character) => character.charCodeAt(0));
}

function startsWith(bytes: Uint8Array, signature: readonly (number | undefined)[]): boolean {
  return signature.every((byte, i) => byte === undefined || bytes[i] === byte);
}

/** True when the bytes begin as one of the image formats does that {@link decodeImage} reads. */
export function looksLikeImage(bytes: Uint8Array): boolean {
  return Object.values(signatures).some((signature) => startsWith(bytes, signature));
}

/** Grey images decode to one channel. */
function asRgb(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const rgb = new Uint8Array((data.length / channels) * 3);
  for (let i = 0; i < rgb.length; i++) rgb[i] = data[Math.floor(i / 3) * channels]!;
  return rgb;
}
