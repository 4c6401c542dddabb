import type { Network } from '../../network/network.js';
import type { NetworkShapes } from '../../network/walk.js';
import { fullCoverage, maskCoverage } from '../fovea/coverage.js';
import { type Features, featureNames, type NativeMachine } from '../fovea/features.js';
import { nativeBlockFeatures } from '../fovea/native-block.js';
import { nativeNodeFeatures } from '../fovea/native-node.js';
import type { Sample } from './least-squares.js';
import type { TimedTrial } from './measure.js';

/** Time below which the clock and the scheduler matter more than the pass, ms. */
const resolutionMs = 0.02;

/** Amounts of every pass of a timed trial, with its time. */
export function samplesOf(
  network: Network,
  shapes: NetworkShapes,
  { trial, masks, profile }: TimedTrial,
  machine: NativeMachine,
): Sample[] {
  const samples: Sample[] = [];
  const setting = { machine, threads: trial.threads };
  const sample = ({ values }: Features, time: number) => {
    if (values.some((value) => value > 0)) {
      samples.push({ amounts: values, time, weight: 1 / (time + resolutionMs) ** 2 });
    }
  };
  for (const node of network.nodes) {
    if (node.kind === 'foreign') continue;
    if (node.kind !== 'block') {
      const op = profile.ops.find(({ name, block }) => block === -1 && name === node.name);
      const features = nativeNodeFeatures(node, shapes, setting);
      if (op && features) sample(features, op.totalMs);
      continue;
    }
    const { block } = node;
    const plan = trial.plan.blocks[block.index]!;
    const shape = shapes.blocks[block.index]!;
    const mask = masks.find((candidate) => candidate.block === block.index);
    const coverage = mask ? maskCoverage(mask, block, shape) : fullCoverage(block);
    const work = { block, shape, plan, coverage, batch: profile.batch };
    const ops = profile.ops.filter((op) => op.block === block.index);
    nativeBlockFeatures(work, setting).forEach((features, i) => {
      const op = ops[i];
      if (op) sample(features, op.totalMs);
    });
  }
  return samples;
}

/** Number of features, for the fit. */
export const featureCount = featureNames.length;
