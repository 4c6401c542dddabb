import { getDevice } from '../../engine/lib/index.js';
import { nativeAmounts } from '../../engine/lib/predict/program-cost/describer.js';

/** A device with made-up costs, whose predictions ask the addon what programs do. */
export function calibratedDevice() {
  const costs = Object.fromEntries(nativeAmounts().map(({ name }, i) => [name, 3e-8 * (1 + i / 7)]));
  const fits = [1, 4].map((threads) => ({
    threads,
    costs,
    runMs: 0.1,
    runShare: 0.01,
    medianError: 0.02,
    samples: 100,
  }));
  const machine = { nearBytes: 2 ** 19, farBytes: 2 ** 25 };
  return {
    ...getDevice('cpu-avx2'),
    name: 'calibrated',
    calibration: { kind: 'native', isa: 'avx2', machine, fits },
  };
}
