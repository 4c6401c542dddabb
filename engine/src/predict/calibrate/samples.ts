import { decidesByRule } from '../../mask/rule.js';
import type { Network } from '../../network/network.js';
import type { NetworkShapes } from '../../network/walk.js';
import type { OpTiming } from '../../profile.js';
import { fullCoverage, maskCoverage } from '../fovea/coverage.js';
import { type Features, featureNames, type NativeMachine } from '../fovea/features.js';
import { nativeBlockFeatures } from '../fovea/native-block.js';
import { nativeNodeFeatures } from '../fovea/native-node.js';
import type { Sample } from './least-squares.js';
import type { TimedTrial } from './measure.js';

/** Time below which the clock and the scheduler matter more than the pass, ms. */
const resolutionMs = 0.003;

/** Amounts of every pass of a timed trial, with its time in every run. */
export function samplesOf(
  network: Network,
  shapes: NetworkShapes,
  { trial, masks, profiles }: TimedTrial,
  machine: NativeMachine,
): Sample[] {
  const samples: Sample[] = [];
  const setting = { machine, threads: trial.threads };
  // Every run has the same passes in the same order.
  const { ops: passes, batch } = profiles[0]!;
  const places = new Map(passes.map((op, place) => [op, place]));
  const sample = ({ values }: Features, op: OpTiming) => {
    if (!values.some((value) => value > 0)) return;
    for (const { ops } of profiles) {
      const time = ops[places.get(op)!]!.totalMs;
      samples.push({ amounts: values, time, weight: 1 / (time + resolutionMs) ** 2 });
    }
  };
  for (const node of network.nodes) {
    if (node.kind === 'foreign') continue;
    if (node.kind !== 'block') {
      const op = passes.find(({ name, block }) => block === -1 && name === node.name);
      const features = nativeNodeFeatures(node, shapes, setting);
      if (op && features) sample(features, op);
      continue;
    }
    const { block } = node;
    const plan = trial.plan.blocks[block.index]!;
    const shape = shapes.blocks[block.index]!;
    const mask = masks.find((candidate) => candidate.block === block.index);
    const coverage = mask ? maskCoverage(mask, block, shape) : fullCoverage(block);
    const masker = trial.maskers[block.index];
    const decides = masker !== undefined && decidesByRule(masker, block);
    const work = { block, shape, plan, coverage, batch, decides };
    const ops = passes.filter((op) => op.block === block.index);
    nativeBlockFeatures(work, setting).forEach((features, i) => {
      const op = ops[i];
      if (op) sample(features, op);
    });
  }
  return samples;
}

/** Number of features, for the fit. */
export const featureCount = featureNames.length;
