import { expectArgument, expectFields, expectOptions } from '../../arguments/expect.js';
import {
  aFunction,
  aNetwork,
  aNumber,
  anImage,
  anInteger,
  aSignal,
  aText,
  type Kind,
  listOf,
  numbers,
} from '../../arguments/kinds.js';
import { FoveaError } from '../../errors.js';
import type { RgbImage } from '../../image/decode.js';
import type { Normalisation } from '../../image/normalise.js';
import { imageWriter } from '../../image/preprocess.js';
import { type ImageSize, scaleImage, sizeOf } from '../../image/scale.js';
import { loadSharp } from '../../image/sharp.js';
import { imageChannels } from '../../network/image-channels.js';
import type { Network } from '../../network/network.js';
import { Random } from '../../random.js';
import { Tensor } from '../../tensor.js';
import type { SkippedFile } from './image-files.js';
import { readBelow } from './read-below.js';

const shares: Kind = {
  accepted: 'two shares of the area, above 0 and at most 1, the smaller first,',
  holds: (value) => {
    if (!Array.isArray(value) || value.length !== 2) return false;
    return value[0] > 0 && value[0] <= value[1] && value[1] <= 1 && numbers.holds(value);
  },
};
const aGenerator: Kind = { accepted: 'a Random', holds: (value) => value instanceof Random };

/** Which photographs of a folder are read, and how large they are kept. */
export interface PhotoOptions {
  /** How many to read, spread evenly over all of them; every one when left out. */
  readonly most?: number;
  /** Larger photographs are scaled so that their shorter side has this many pixels; 512 when left out. */
  readonly side?: number;
  readonly signal?: AbortSignal;
  /** Called after each image, with how many have been read or left out, and how many there are. */
  readonly onProgress?: (done: number, count: number) => void;
}

/** Photographs as they are, to be cropped; with the files that could not be read. */
export interface Photos {
  readonly files: readonly string[];
  readonly images: readonly RgbImage[];
  readonly skipped: readonly SkippedFile[];
}

/**
 * Reads all images below a folder, at any depth, links followed; nothing needs to be labelled.
 * @throws FoveaError `io` when the folder cannot be read, `bad-file` when no image is left, `aborted`
 */
export async function readPhotos(folder: string, options: PhotoOptions = {}): Promise<Photos> {
  expectArgument(folder, aText, 'readPhotos: folder');
  expectOptions(
    options,
    { side: aNumber, most: aNumber, signal: aSignal, onProgress: aFunction },
    'readPhotos',
  );
  const { side = 512, ...which } = options;
  if (!(Number.isInteger(side) && side >= 1))
    throw new FoveaError('bad-argument', `side ${side}: an integer of at least 1 is accepted`);
  return readBelow(folder, which, async (image) => {
    const factor = side / Math.min(image.width, image.height);
    return factor >= 1 ? image : await scaled(image, factor);
  });
}

async function scaled(image: RgbImage, factor: number): Promise<RgbImage> {
  const [width, height] = [image.width, image.height].map((extent) => Math.round(extent * factor));
  return {
    width: width!,
    height: height!,
    data: await scaleImage(image, { width: width!, height: height!, fit: 'stretch' }),
  };
}

/** How a random crop is drawn: its part of the image's area, from and to. */
export interface CropOptions extends ImageSize, Normalisation {
  readonly area?: readonly [number, number];
}

/**
 * Cuts a random part out of an image, as torchvision's RandomResizedCrop does, mirrors it half of the time and brings
 * it to a network's size.
 * @param random what decides; the same numbers give the same crop
 * @returns `height · width · 3` bytes
 */
export async function randomCrop(image: RgbImage, options: CropOptions, random: Random): Promise<Uint8Array> {
  const { width: fromWidth, height: fromHeight, data } = expectArgument(image, anImage, 'randomCrop: image');
  const { width, height, area = [0.3, 1] } = expectFields(options, { area: shares }, 'randomCrop: options');
  sizeOf({ height, width });
  expectArgument(random, aGenerator, 'randomCrop: random');
  const [least, most] = area;
  const share = least + (most - least) * random.next();
  const ratio = (width / height) * Math.exp((2 * random.next() - 1) * Math.log(4 / 3));
  const [u, v, mirrored] = [random.next(), random.next(), random.next() < 0.5];
  const wanted = Math.sqrt(share * fromWidth * fromHeight * ratio);
  const cropWidth = Math.max(1, Math.min(fromWidth, Math.round(wanted)));
  const cropHeight = Math.max(1, Math.min(fromHeight, Math.round(wanted / ratio)));
  const sharp = await loadSharp();
  const cut = sharp(data, { raw: { width: fromWidth, height: fromHeight, channels: 3 } })
    .extract({
      left: Math.floor(u * (fromWidth - cropWidth + 1)),
      top: Math.floor(v * (fromHeight - cropHeight + 1)),
      width: cropWidth,
      height: cropHeight,
    })
    .resize(width, height, { fit: 'fill', kernel: 'linear', fastShrinkOnLoad: false });
  return (mirrored ? cut.flop() : cut).raw().toBuffer();
}

/** Which random crops of photographs are taken. */
export interface PhotoCropOptions {
  /** Crops of each photograph; 1 when left out. */
  readonly each?: number;
  readonly seed?: number;
  /** A crop's part of the photograph's area, from and to; half to the whole when left out. */
  readonly area?: readonly [number, number];
}

/**
 * Random crops of photographs as a network takes them, to compare masks on: those of the first photograph, then those of
 * the second, and so on.
 * @returns `[photographs · each, H, W, C]`, of the network's nominal size, normalised as it expects; C is 1 for a network of
 *   grey images
 * @throws FoveaError `bad-argument` for no photographs, `each` below 1, or a network that takes no images
 */
export async function photoCrops(
  network: Network,
  photos: readonly RgbImage[],
  options: PhotoCropOptions = {},
): Promise<Tensor> {
  expectArgument(network, aNetwork, 'photoCrops: network');
  expectArgument(photos, listOf(anImage, 'images as readPhotos reads'), 'photoCrops: photos');
  const kinds = { each: aNumber, seed: anInteger, area: shares };
  const { each = 1, seed = 1, area = [0.5, 1] } = expectOptions(options, kinds, 'photoCrops');
  const fail = (what: string): never => {
    throw new FoveaError('bad-argument', what);
  };
  if (photos.length === 0) fail('no photographs; at least one is accepted');
  if (!Number.isInteger(each) || each < 1) fail(`each ${each}: an integer of at least 1 is accepted`);
  const channels = imageChannels(network);
  const { height, width } = network.inputShape;
  const [random, write] = [new Random(seed), imageWriter(network.preprocessing ?? {}, channels)];
  const crops = Tensor.zeros([photos.length * each, height, width, channels]);
  for (let n = 0; n < photos.length * each; n++) {
    const crop = await randomCrop(photos[Math.floor(n / each)]!, { height, width, area }, random);
    write(crop, crops.data, n * height * width * channels);
  }
  return crops;
}
