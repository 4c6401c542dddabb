import { FoveaError } from '../errors.js';

/** Statistics of ImageNet's training images, which torchvision's networks are trained with. */
export const imageNetMean = [0.485, 0.456, 0.406] as const;
export const imageNetDeviation = [0.229, 0.224, 0.225] as const;

/** One number for each of red, green and blue. */
export type PerChannel = readonly [number, number, number];

/** What is taken from an image's values, from 0 to 1, and what they are then divided by. */
export interface Normalisation {
  /** ImageNet's when left out. */
  readonly mean?: PerChannel;
  /** ImageNet's when left out. */
  readonly deviation?: PerChannel;
}

/** The statistics alone, of what may say more about images. */
export function statisticsOf({ mean, deviation }: Normalisation): Normalisation {
  return { ...(mean ? { mean } : {}), ...(deviation ? { deviation } : {}) };
}

/**
 * `(byte / 255 − mean) / deviation` of every byte.
 * @param channels 1 for a network of grey images: their luma (ITU-R BT.601) is normalised by the averages of the three
 *   channels' statistics
 * @returns what a value from 0 to 255 becomes, by its channel
 * @throws FoveaError `bad-argument` for statistics that are no numbers, or a deviation that is not above 0
 */
export function normaliserOf(
  { mean = imageNetMean, deviation = imageNetDeviation }: Normalisation,
  channels: 1 | 3 = 3,
): (value: number, channel: number) => number {
  if (mean.length !== 3 || !mean.every(Number.isFinite)) {
    throw new FoveaError('bad-argument', `mean [${mean.join(', ')}]: three numbers are accepted`);
  }
  if (deviation.length !== 3 || !deviation.every((value) => value > 0 && Number.isFinite(value))) {
    throw new FoveaError('bad-argument', `deviation [${deviation.join(', ')}]: numbers above 0 are accepted`);
  }
  const [means, deviations] = channels === 1 ? [[average(mean)], [average(deviation)]] : [mean, deviation];
  return (value, channel) => (value / 255 - means[channel]!) / deviations[channel]!;
}

/** The same as a table for each channel: quick where a whole data set is normalised. */
export function normaliserTables(normalisation: Normalisation): readonly Float32Array[] {
  const normalise = normaliserOf(normalisation);
  return [0, 1, 2].map((channel) =>
    Float32Array.from({ length: 256 }, (_, value) => normalise(value, channel)),
  );
}

const average = ([a, b, c]: PerChannel) => (a + b + c) / 3;
