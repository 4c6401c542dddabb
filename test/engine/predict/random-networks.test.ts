import { getDevice } from '@fovea/engine';
import { nativeBackend } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { checkPredictions } from '../differential/check-predictions.js';
import { generate } from '../differential/generate.js';
import { calibratedDevice } from '../support/calibrated-device.js';

describe.skipIf(nativeBackend.unavailable !== undefined)(
  'random networks (skipped where no addon was built)',
  () => {
    it.each(Array.from({ length: 20 }, (_, seed) => seed))(
      'are predicted in numbers, with the FLOPs that run, and searched for the best (seed %i)',
      async (seed) => {
        const test = generate(seed, { multiplyAdds: 5e7, sides: [20, 90], runs: 0 });
        const devices = [calibratedDevice(), getDevice('cpu-avx512'), getDevice('tx2')];
        expect(await checkPredictions(test, devices)).toBeUndefined();
      },
    );
  },
);
