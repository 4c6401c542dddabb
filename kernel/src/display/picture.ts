import { FoveaError, type Tensor } from '@fovea/engine';
import { expectArgument, expectFields } from '@fovea/engine/files';
import { imageNetDeviation, imageNetMean } from '@fovea/engine/internal';
import { decode, encode } from 'fast-png';
import { aPicture, pictureOptionKinds } from './argument-kinds.js';

/**
 * Eight-bit pixels, row by row: one channel for grey, three for RGB, as `readImage` of `@fovea/engine` has them and where it is
 * not said, four with opacity.
 */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels?: 1 | 3 | 4;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** A picture ready for a document: a PNG and its size. */
export interface Picture {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly png: Uint8Array;
}

/** Anything that can be converted to one or more pictures. */
export type PictureSource =
  | Tensor
  | Uint8Array
  | Pixels
  | { readonly name?: string; readonly png: Uint8Array | string }
  | { readonly name?: string; readonly tensor: Tensor }
  | { readonly name: string; readonly pixels: Pixels };

/** How a tensor becomes a picture. */
export interface PictureOptions {
  /** Longest side kept, pixels; larger pictures are averaged down. Default 768. */
  readonly maxSide?: number;
  /** Which values of a tensor become black and white. Left out, they follow from the values. */
  readonly range?: readonly [number, number];
}

/**
 * The pictures of a source: one for a PNG or pixels, one per image for a tensor of 1, 3 or 4 channels.
 * Tensors that hold bytes, fractions of them, or what ImageNet normalisation makes of them are turned back;
 * others are stretched.
 * @throws FoveaError `bad-shape` for a tensor with another number of channels, `bad-file` for a broken PNG
 */
export function pictures(source: PictureSource, options: PictureOptions = {}): Picture[] {
  expectArgument(source, aPicture, 'pictures: source');
  expectFields(options, pictureOptionKinds, 'pictures: options');
  const { maxSide = 768 } = options;
  const name = 'name' in source && source.name !== undefined ? source.name : 'image';
  if (source instanceof Uint8Array) return [pngPicture(name, source, maxSide)];
  if (isTensor(source)) return tensorPictures(source, name, options);
  if ('tensor' in source) return tensorPictures(source.tensor, name, options);
  if ('png' in source) {
    const png = typeof source.png === 'string' ? Buffer.from(source.png, 'base64') : source.png;
    return [pngPicture(name, png, maxSide)];
  }
  return [pixelsPicture(name, 'pixels' in source ? source.pixels : source, maxSide)];
}

/** True for the engine's tensors, also for one that came from a second copy of the package. */
export function isTensor(value: unknown): value is Tensor {
  if (typeof value !== 'object' || value === null || !('shape' in value) || !('data' in value)) return false;
  const { shape, data } = value;
  return (
    Array.isArray(shape) &&
    shape.length === 4 &&
    data instanceof Float32Array &&
    data.length === shape.reduce((product: number, extent: number) => product * extent, 1)
  );
}

/** Encodes pixels as PNG, averaged down to at most `maxSide` a side. */
function pixelsPicture(name: string, pixels: Pixels, maxSide = 768): Picture {
  const { width, height, channels = 3, data } = shrink(pixels, maxSide);
  return { name, width, height, png: encode({ width, height, channels, data, depth: 8 }) };
}

function pngPicture(name: string, png: Uint8Array, maxSide: number): Picture {
  const size = pngSize(png);
  if (Math.max(size.width, size.height) <= maxSide) return { name, ...size, png };
  return pixelsPicture(name, decodePng(png), maxSide);
}

/** Width and height from a PNG's header. @throws FoveaError `bad-file` when it is none */
function pngSize(png: Uint8Array): { width: number; height: number } {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  if (png.byteLength < 33 || view.getUint32(0) !== 0x89504e47 || view.getUint32(12) !== 0x49484452) {
    throw new FoveaError(
      'bad-file',
      `not a PNG (${png.byteLength} bytes starting ${Buffer.from(png.subarray(0, 8)).toString('hex')})`,
    );
  }
  return { width: view.getUint32(16), height: view.getUint32(20) };
}

/** The pixels of a PNG, eight bits a channel, palettes and grey with opacity resolved to RGBA. */
export function decodePng(png: Uint8Array): Required<Pixels> {
  const size = pngSize(png);
  let decoded: ReturnType<typeof decode>;
  try {
    decoded = decode(png);
  } catch (cause) {
    throw new FoveaError(
      'bad-file',
      `broken PNG of ${size.width}x${size.height}: ${(cause as Error).message}`,
    );
  }
  const { width, height, channels, depth, palette, data } = decoded;
  if (depth === 8 && palette === undefined && channels !== 2) {
    return { width, height, channels: channels as 1 | 3 | 4, data: data as Uint8Array };
  }
  const rgba = new Uint8Array(width * height * 4);
  const perRow = Math.ceil((width * channels * depth) / 8);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const sample = (channel: number): number => {
        const index = x * channels + channel;
        if (depth >= 8)
          return depth === 16
            ? data[y * width * channels + index]! >> 8
            : data[y * width * channels + index]!;
        const bit = index * depth;
        const byte = data[y * perRow + (bit >> 3)]!;
        const value = (byte >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
        return palette === undefined ? Math.round((value * 255) / ((1 << depth) - 1)) : value;
      };
      const entry = palette?.[sample(0)];
      const grey = channels <= 2;
      const colour = entry ?? (grey ? [sample(0), sample(0), sample(0)] : [sample(0), sample(1), sample(2)]);
      const opacity =
        entry !== undefined
          ? (entry[3] ?? 255)
          : channels === 2 || channels === 4
            ? sample(channels - 1)
            : 255;
      rgba.set([colour[0]!, colour[1]!, colour[2]!, opacity], (y * width + x) * 4);
    }
  }
  return { width, height, channels: 4, data: rgba };
}

function tensorPictures(tensor: Tensor, name: string, { maxSide = 768, range }: PictureOptions): Picture[] {
  const [N, H, W, C] = tensor.shape;
  if (C !== 1 && C !== 3 && C !== 4) {
    throw new FoveaError(
      'bad-shape',
      `tensor [${tensor.shape.join(', ')}] is no picture: it has ${C} channels, 1, 3 or 4 are accepted`,
    );
  }
  const toByte = valueMapping(tensor.data, C, range);
  return Array.from({ length: N }, (_, n) => {
    const data = new Uint8ClampedArray(H * W * C);
    const start = n * data.length;
    for (let i = 0; i < data.length; i++) data[i] = toByte(tensor.data[start + i]!, i % C);
    return pixelsPicture(
      N === 1 ? name : `${name} ${n}`,
      { width: W, height: H, channels: C, data },
      maxSide,
    );
  });
}

type ValueMapping = (value: number, channel: number) => number;

const unit: ValueMapping = (value) => value * 255;
const bytes: ValueMapping = (value) => value;
const normalised: ValueMapping = (value, channel) =>
  (value * imageNetDeviation[channel]! + imageNetMean[channel]!) * 255;

/**
 * How a tensor's values become bytes. Pictures mostly began as bytes: the reading under which they are bytes
 * again is the right one. Others are recognised by their range, and stretched when that says nothing either.
 */
function valueMapping(data: Float32Array, channels: number, range?: readonly [number, number]): ValueMapping {
  if (range !== undefined) return stretched(...range);
  const readings = [unit, ...(channels === 3 ? [normalised] : []), bytes];
  const found = readings.find((reading) => givesBytes(data, channels, reading));
  if (found !== undefined) return found;
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of data) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low >= 0 && high <= 1) return unit;
  if (low >= 0 && high <= 255) return bytes;
  if (channels === 3 && low < 0 && low >= -2.2 && high <= 2.7) return normalised;
  return stretched(low, high);
}

function stretched(low: number, high: number): ValueMapping {
  const factor = high > low ? 255 / (high - low) : 0;
  return (value) => (Number.isFinite(value) ? (value - low) * factor : 0);
}

/** Whether values, looked at here and there, are whole numbers from 0 to 255 under a reading. */
function givesBytes(data: Float32Array, channels: number, reading: ValueMapping): boolean {
  const step = Math.max(1, Math.floor(data.length / 256));
  for (let i = 0; i < data.length; i += step) {
    const byte = reading(data[i]!, i % channels);
    if (!(byte > -0.01 && byte < 255.01) || Math.abs(byte - Math.round(byte)) > 0.01) return false;
  }
  return true;
}

/** Averages down so that no side exceeds `maxSide`; smaller pictures come back as they are. */
function shrink(pixels: Pixels, maxSide: number): Pixels {
  const { width, height, channels = 3, data } = pixels;
  const factor = Math.max(width, height) / maxSide;
  if (factor <= 1) return pixels;
  const to = {
    width: Math.max(1, Math.round(width / factor)),
    height: Math.max(1, Math.round(height / factor)),
  };
  const out = new Uint8Array(to.width * to.height * channels);
  for (let y = 0; y < to.height; y++) {
    const y0 = Math.floor((y * height) / to.height);
    const y1 = Math.max(y0 + 1, Math.floor(((y + 1) * height) / to.height));
    for (let x = 0; x < to.width; x++) {
      const x0 = Math.floor((x * width) / to.width);
      const x1 = Math.max(x0 + 1, Math.floor(((x + 1) * width) / to.width));
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let sy = y0; sy < y1; sy++) {
          for (let sx = x0; sx < x1; sx++) sum += data[(sy * width + sx) * channels + c]!;
        }
        out[(y * to.width + x) * channels + c] = Math.round(sum / ((y1 - y0) * (x1 - x0)));
      }
    }
  }
  return { ...to, channels, data: out };
}
