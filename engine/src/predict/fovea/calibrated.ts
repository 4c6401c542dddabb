import type { NetworkNode } from '../../network/network.js';
import type { NetworkShapes } from '../../network/walk.js';
import { costsFor, type NativeCalibration } from '../calibration.js';
import { type Features, shareOf } from './features.js';
import { nativeBlockFeatures } from './native-block.js';
import { nativeNodeFeatures } from './native-node.js';
import type { PassCost } from './roofline.js';
import type { BlockWork } from './work.js';

/** Amounts times their costs, split three ways. */
function costOf({ values }: Features, costs: Float64Array): PassCost {
  const split = { compute: 0, data: 0, overhead: 0 };
  for (let i = 0; i < values.length; i++) split[shareOf(i)] += values[i]! * costs[i]!;
  return { computeMs: split.compute, dataMs: split.data, overheadMs: split.overhead };
}

/**
 * Costs of a block's groups on a calibrated machine. A dense block is never costed above its primitives pass by
 * pass, which adaptive plans may run too: dense execution is not made to look slower than it need be.
 */
export function calibratedBlockCosts(
  work: BlockWork,
  calibration: NativeCalibration,
  threads: number,
): PassCost[] {
  const { costs } = costsFor(calibration, threads);
  const setting = { machine: calibration.machine, threads, costs };
  const costsOf = (given: BlockWork) =>
    nativeBlockFeatures(given, setting).map((features) => costOf(features, costs));
  const planned = costsOf(work);
  if (work.plan.mode !== 'dense') return planned;
  const sequence = work.plan.groups.flatMap(({ primitives }) => primitives);
  const groups = sequence.map((primitive) => ({ primitives: [primitive] }));
  const apart = costsOf({ ...work, plan: { ...work.plan, groups } });
  const ratio = Math.min(1, totalOf(apart) / totalOf(planned));
  return planned.map(({ computeMs, dataMs, overheadMs }) => ({
    computeMs: computeMs * ratio,
    dataMs: dataMs * ratio,
    overheadMs: overheadMs * ratio,
  }));
}

function totalOf(costs: readonly PassCost[]): number {
  return costs.reduce((sum, { computeMs, dataMs, overheadMs }) => sum + computeMs + dataMs + overheadMs, 0);
}

/** Cost of a dense node outside blocks on a calibrated machine; undefined where shapes are not known. */
export function calibratedNodeCost(
  node: Exclude<NetworkNode, { kind: 'block' }>,
  shapes: NetworkShapes,
  calibration: NativeCalibration,
  threads: number,
): PassCost | undefined {
  if (node.kind === 'foreign') return undefined;
  const features = nativeNodeFeatures(node, shapes, { machine: calibration.machine, threads });
  return features && costOf(features, costsFor(calibration, threads).costs);
}
