import { FoveaError } from '../../errors.js';
import type { RgbImage } from '../../image/decode.js';
import type { Normalisation } from '../../image/normalise.js';
import { imageWriter } from '../../image/preprocess.js';
import { type ImageSize, scaleImage } from '../../image/scale.js';
import { Random } from '../../random.js';
import { Tensor } from '../../tensor.js';
import { epochOrder } from '../data/batches.js';
import { randomCrop } from '../data/crops.js';

/** Images to adapt on, a batch at a time. */
export interface BatchSource {
  readonly count: number;
  /** Fills `images` with the batch of a step; the same step gives the same images. */
  fill(step: number, batch: number, images: Float32Array): Promise<void>;
  /** Images that represent the whole set, to fit on and to measure FLOPs on. */
  sample(most: number): Promise<Tensor>;
}

/** What the bytes of crops become. */
export interface CropStatistics extends Normalisation {
  readonly channels: 1 | 3;
}

/** Numbers of random streams: one for each use. */
const [cropStream, flipStream, sampleStream] = [3_000_000, 4_000_000, 5_000_000];

/** Random crops of photographs, for a network of one or three channels. */
export function cropsOf(
  photos: readonly RgbImage[],
  size: ImageSize,
  seed: number,
  { channels, ...statistics }: CropStatistics,
): BatchSource {
  if (photos.length === 0) throw new FoveaError('bad-argument', 'no photographs; at least one is accepted');
  const write = imageWriter(statistics, channels);
  const plane = size.height * size.width * channels;
  return {
    count: photos.length,
    async fill(step, batch, images) {
      const random = new Random(seed, cropStream + step);
      for (let n = 0; n < batch; n++) {
        const photo = photos[positionOf(photos.length, seed, step * batch + n)]!;
        write(await randomCrop(photo, size, random), images, n * plane);
      }
    },
    async sample(most) {
      const tensor = Tensor.zeros([most, size.height, size.width, channels]);
      const random = new Random(seed, sampleStream);
      for (let n = 0; n < most; n++) {
        const photo = photos[n % photos.length]!;
        // Whole photographs first, then parts of them.
        const pixels =
          n < photos.length && n < most / 2
            ? await scaleImage(photo, size)
            : await randomCrop(photo, size, random);
        write(pixels, tensor.data, n * plane);
      }
      return tensor;
    },
  };
}

/** Images that have the network's size already, mirrored half of the time. */
export function imagesOfTensor(tensor: Tensor, seed: number): BatchSource {
  const [count, height, width, channels] = tensor.shape;
  const [plane, row] = [height * width * channels, width * channels];
  return {
    count,
    async fill(step, batch, images) {
      const random = new Random(seed, flipStream + step);
      for (let n = 0; n < batch; n++) {
        const from = positionOf(count, seed, step * batch + n) * plane;
        const mirrored = random.next() < 0.5;
        if (!mirrored) {
          images.set(tensor.data.subarray(from, from + plane), n * plane);
          continue;
        }
        for (let pixel = 0; pixel < height * width; pixel++) {
          const source = from + Math.floor(pixel / width) * row + (width - 1 - (pixel % width)) * channels;
          images.set(tensor.data.subarray(source, source + channels), n * plane + pixel * channels);
        }
      }
    },
    async sample(most) {
      const taken = Math.min(most, count);
      const sample = Tensor.zeros([taken, height, width, channels]);
      for (let n = 0; n < taken; n++) {
        const from = Math.floor((n * count) / taken) * plane;
        sample.data.set(tensor.data.subarray(from, from + plane), n * plane);
      }
      return sample;
    },
  };
}

/** Which image comes at a position of an endless series of shuffled epochs. */
function positionOf(count: number, seed: number, at: number): number {
  return epochOrder(count, seed, Math.floor(at / count))[at % count]!;
}
