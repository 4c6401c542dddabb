import { expectArgument, expectFields } from '../arguments/expect.js';
import { aNumber, someBytes } from '../arguments/kinds.js';
import { FoveaError } from '../errors.js';
import { loadSharp } from './sharp.js';

/** Pixels to be written: RGB or RGBA, 8 bits a channel, rows from top to bottom. */
export interface PixelImage {
  readonly width: number;
  readonly height: number;
  readonly channels: 3 | 4;
  /** `height · width · channels` values. */
  readonly data: Uint8Array;
}

const pixelKinds = { width: aNumber, height: aNumber, channels: aNumber };

/**
 * Encodes pixels as PNG.
 * @throws FoveaError `bad-shape` when the data does not match the size
 *
 * @example
 * ```ts
 * import { encodePng } from '@fovea/engine';
 *
 * const red = Uint8Array.from([255, 0, 0]);
 * const png = await encodePng({ width: 1, height: 1, channels: 3, data: red });
 * console.log(png.subarray(1, 4).toString()); // the codes of "PNG"
 * ```
 */
export async function encodePng(image: PixelImage): Promise<Uint8Array> {
  const { width, height, channels, data } = expectFields(image, pixelKinds, 'encodePng: image');
  expectArgument(data, someBytes, 'encodePng: data');
  const sized = [width, height].every((extent) => Number.isInteger(extent) && extent >= 1);
  if (!sized || (channels !== 3 && channels !== 4) || data.length !== width * height * channels) {
    throw new FoveaError(
      'bad-shape',
      `image of ${width} x ${height} with ${channels} channels and ${data.length} bytes; ` +
        'extents of at least 1, 3 or 4 channels and width · height · channels bytes are accepted',
    );
  }
  const sharp = await loadSharp();
  const encoded = await sharp(data, { raw: { width, height, channels } }).png().toBuffer();
  return new Uint8Array(encoded.buffer, encoded.byteOffset, encoded.byteLength);
}
