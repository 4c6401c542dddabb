import { type Device, getDevice } from '@fovea/engine';
import { nativeAmounts } from '../../../engine/src/predict/program-cost/describer.js';

/**
 * A device with made-up costs, which predictions multiply the addon's descriptions with.
 *
 * @param costOf ms for a unit of an amount
 */
export function calibratedDevice(
  costOf: (name: string, index: number) => number = (_, index) => 3e-8 * (1 + index / 7),
): Device {
  const costs = Object.fromEntries((nativeAmounts() ?? []).map(({ name }, i) => [name, costOf(name, i)]));
  return {
    ...getDevice('cpu-avx2'),
    calibration: {
      kind: 'native',
      isa: 'avx2',
      machine: { nearBytes: 2 ** 19, farBytes: 2 ** 25 },
      fits: [1, 4].map((threads) => ({
        threads,
        costs,
        runMs: 0.1,
        runShare: 0.01,
        medianError: 0.02,
        samples: 100,
      })),
    },
  };
}
