import { readFile } from 'node:fs/promises';
import { drawScene, FoveaError, type Network, normalisation, objectLabels, Tensor } from '@fovea/engine';
import sharp from 'sharp';

/** Larger pictures are refused before they are unpacked. */
const mostPixels = 100_000_000;

/** A picture as a network takes it; `showMasks` takes it as it is. */
export interface NetworkImage {
  readonly name: string;
  /** `[1, H, W, 3]`, normalised as torchvision's models expect. */
  readonly tensor: Tensor;
}

/** Side lengths wanted; a network's nominal input is one. */
export type ImageSize = { readonly height: number; readonly width: number };

const sizeOf = (target: Network | ImageSize): ImageSize => ('nodes' in target ? target.inputShape : target);

/**
 * Reads a picture for a network: scaled to cover the network's input, cropped to its middle, normalised.
 *
 *     const image = await fovea.readImage('dog.jpg', network);
 *     const result = await run(network, image.tensor);
 *     fovea.showMasks(result, image, network);
 *
 * @param source path of a PNG, JPEG, WebP, GIF, TIFF or AVIF file, or such a file's bytes
 * @param target the network, or the size wanted
 * @throws FoveaError `io` when the file cannot be read, `bad-file` when it holds no picture
 */
export async function readImage(
  source: string | Uint8Array,
  target: Network | ImageSize,
): Promise<NetworkImage> {
  const name = typeof source === 'string' ? source.split(/[\\/]/).at(-1)! : 'image';
  let bytes: Uint8Array;
  try {
    bytes = typeof source === 'string' ? await readFile(source) : source;
  } catch (cause) {
    throw new FoveaError('io', `cannot read ${String(source)}: ${(cause as Error).message}`, { cause });
  }
  return { name, tensor: await decodeImage(name, bytes, sizeOf(target)) };
}

/** Names that `sampleImage` accepts. */
export const sampleImageNames: readonly string[] = objectLabels;

/** Sample images are not among those that the shipped network was trained or tested on. */
const sampleSeed = 20_240_607;
const drawnSide = 224;

/**
 * A drawn picture of one object, always the same for the same name.
 * @throws FoveaError `unknown-name` listing the names
 */
export async function sampleImage(name: string, target: Network | ImageSize): Promise<NetworkImage> {
  const { height, width } = sizeOf(target);
  const { pixels, size } = drawSample(
    name,
    height === width && height >= 64 && height <= drawnSide ? height : drawnSide,
  );
  if (size === height && size === width) return { name, tensor: normalise(pixels, height, width) };
  const { data } = await sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
    .resize(width, height, { fit: 'cover' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { name, tensor: normalise(data, height, width) };
}

/** The bytes of a sample image, red, green, blue. */
export function drawSample(
  name: string,
  side: number,
): { readonly pixels: Uint8Array; readonly size: number } {
  const label = sampleImageNames.indexOf(name);
  if (label < 0) {
    throw new FoveaError(
      'unknown-name',
      `no sample image "${name}"; there are ${sampleImageNames.join(', ')}`,
    );
  }
  return drawScene(sampleSeed, label, label, side);
}

async function decodeImage(name: string, bytes: Uint8Array, { height, width }: ImageSize): Promise<Tensor> {
  try {
    const { data } = await sharp(bytes, { limitInputPixels: mostPixels })
      .rotate()
      .resize(width, height, { fit: 'cover' })
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true });
    return normalise(data.length === height * width ? grey(data) : data, height, width);
  } catch (cause) {
    throw new FoveaError('bad-file', `${name} is no picture that can be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function grey(data: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(data.length * 3);
  for (let i = 0; i < data.length; i++) rgb.fill(data[i]!, 3 * i, 3 * i + 3);
  return rgb;
}

function normalise(pixels: Uint8Array, height: number, width: number): Tensor {
  const tensor = Tensor.zeros([1, height, width, 3]);
  for (let i = 0; i < tensor.data.length; i++) {
    const channel = (i % 3) as 0 | 1 | 2;
    tensor.data[i] = (pixels[i]! / 255 - normalisation.mean[channel]) / normalisation.deviation[channel];
  }
  return tensor;
}
