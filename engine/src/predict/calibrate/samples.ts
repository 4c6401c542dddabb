import type { Network } from '../../network/network.js';
import type { NetworkShapes } from '../../network/walk.js';
import { weightBytesOf } from '../../network/weight-bytes.js';
import { maskCoverage } from '../coverage.js';
import { programOfPlan } from '../program-cost/costed-program.js';
import type { Caches, Describer } from '../program-cost/describer.js';
import type { Sample } from './least-squares.js';
import { lowerMedian } from './lower-median.js';
import type { TimedTrial } from './time-trials.js';

/** Time below which the clock and the scheduler matter more than the pass, ms. */
const resolutionMs = 0.003;

/**
 * Amounts of every pass of a timed trial, with its time: the median of the runs that count, as in what a prediction is
 * compared with. Of times of single runs, whose disturbances only make them longer, a fit would be too long.
 *
 * @param quietMs the longest pace of a time that counts; all count where it is undefined
 */
export function samplesOf(
  network: Network,
  shapes: NetworkShapes,
  { trial, masks, profiles }: TimedTrial,
  describer: Describer,
  caches: Caches,
  quietMs?: number,
): Sample[] {
  const program = programOfPlan(network, trial.plan, shapes, trial.maskers);
  const counts = program.counts(({ block, shape }) => {
    const mask = masks.find((candidate) => candidate.block === block.index)!;
    return maskCoverage(mask, block, shape);
  });
  const { rows, passOf } = describer.describe(program, counts, trial.threads, caches, weightBytesOf(network));
  const { values, amounts } = describer.layout;
  const passes = Array.from(
    { length: program.order.count },
    () => new Float64Array(describer.amounts.length),
  );
  passOf.forEach((pass, at) => {
    const sums = passes[pass]!;
    for (let i = 0; i < sums.length; i++) sums[i]! += rows[at * values + amounts + i]!;
  });
  const samples: Sample[] = [];
  passes.forEach((sums, pass) => {
    if (!sums.some((amount) => amount > 0)) return;
    // Every run has the same passes in the same order.
    const times = profiles
      .map(({ ops }) => ops[pass]!)
      .filter(({ paceMs = 0 }) => quietMs === undefined || paceMs <= quietMs)
      .map(({ totalMs }) => totalMs);
    if (times.length === 0) return;
    const time = lowerMedian(times);
    samples.push({ amounts: sums, time, weight: times.length / (time + resolutionMs) ** 2 });
  });
  return samples;
}
