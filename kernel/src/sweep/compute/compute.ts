import { measureAccuracy } from '@fovea/engine/train';
import { calibrateAlone } from '../../calibrate-alone.js';
import type { Point, PointKind, PointResult } from '../point.js';
import { datasetOf, networkOf, type PointContext } from './context.js';
import { adaptPoint, fitPoint } from './learn.js';
import { mean, measurePoint, runningOf } from './measure-point.js';

const kinds: Readonly<Record<PointKind, (point: Point, context: PointContext) => Promise<PointResult>>> = {
  measure: measurePoint,
  evaluate: evaluatePoint,
  fit: fitPoint,
  adapt: adaptPoint,
  calibrate: calibratePoint,
};

/**
 * Computes a point on this machine.
 * @throws FoveaError what the engine throws for it
 */
export function computePoint(point: Point, context: PointContext): Promise<PointResult> {
  return kinds[point.kind](point, context);
}

/** Accuracy and agreement of one shard. Shards run beside each other, so that their times would mean nothing. */
async function evaluatePoint(point: Point, context: PointContext): Promise<PointResult> {
  const network = await networkOf(point, context.materials);
  const dataset = await datasetOf(point, network, context);
  const { images, accuracy, agreement, flops, blocks, latency } = await measureAccuracy(network, dataset, {
    threads: 1,
    ...runningOf(point),
    repeats: 1,
    onProgress: (done, count) => context.onProgress(0.3 + (0.7 * done) / count),
  });
  return {
    images,
    ...(accuracy ? { accuracy } : {}),
    ...{ agreement, flops, rate: mean(blocks.map(({ rate }) => rate)) },
    ...{ source: latency.backend, strategy: latency.strategy },
  };
}

/** Measures the machine and stores it there as `this-machine`; the device comes back as the result. */
async function calibratePoint({ seconds }: Point, { onProgress }: PointContext): Promise<PointResult> {
  const options = {
    ...(seconds === undefined ? {} : { seconds }),
    onProgress: (fraction: number) => onProgress(fraction),
  };
  const result = await calibrateAlone(options, { wait: true });
  return { device: result.device, seconds: result.seconds, slowdown: result.slowdown };
}
