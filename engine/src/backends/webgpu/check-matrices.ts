import { NetworkBuilder } from '../../network/built/layers.js';
import { encodeConvolution } from './encode-convolution.js';
import type { LaunchTimer } from './launch-timer.js';
import { noLists, probeConvolution } from './probe.js';
import type { Tuning } from './tuning.js';
import { isOfMatrices, ruled, type Variant } from './variants.js';

/** The largest difference that matrices may make, of the largest value: what f16 promises. */
const TOLERANCE = 5e-3;

/** A convolution whose pixels, channels and products fill no tile of matrices. */
export const matrixProbe = probeConvolution(
  new NetworkBuilder('matrices', { seed: 5, inputSize: 32 }, 1).convolution('probe', 39, 75, { kernel: 3 }),
  11,
  13,
);

/**
 * The variants of matrices that do not compute what another one does on this device. They are an experimental feature,
 * which few have run on most drivers: a wrong answer must not be taken because it is fast.
 */
export async function wrongMatrices(timer: LaunchTimer, tuning: Tuning): Promise<readonly Variant[]> {
  const values = (variant: Variant) => timer.values(encodeConvolution(matrixProbe, noLists, variant));
  const expected = await values(ruled.one(matrixProbe));
  const wrong: Variant[] = [];
  for (const variant of tuning.variantsOf(matrixProbe).filter(isOfMatrices)) {
    try {
      if (relativeDifference(await values(variant), expected) <= TOLERANCE) continue;
    } catch {
      // A driver that offers them and does not compile them.
      timer.device.check();
    }
    wrong.push(variant);
  }
  return wrong;
}

function relativeDifference(values: Float32Array, expected: Float32Array): number {
  let [difference, largest] = [0, 0];
  for (const [i, value] of expected.entries()) {
    difference = Math.max(difference, Math.abs(values[i]! - value));
    largest = Math.max(largest, Math.abs(value));
  }
  return difference / largest;
}
