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

/** Costs of a block's groups on a calibrated machine. */
export function calibratedBlockCosts(
  work: BlockWork,
  calibration: NativeCalibration,
  threads: number,
): PassCost[] {
  const { costs } = costsFor(calibration, threads);
  const setting = { machine: calibration.machine, threads, costs };
  return nativeBlockFeatures(work, setting).map((features) => costOf(features, costs));
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
