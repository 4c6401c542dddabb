import { randomMasker, run } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../../engine/src/backends/webgpu/device.js';
import { storeGpuCalibration } from '../../../engine/src/predict/gpu/this-gpu.js';
import { useDataFolder } from '../../support/data-folder.js';
import { madeUpGpu } from '../../support/made-up-gpu.js';
import { missingOf } from '../support/backends.js';
import { randomImages, smallNetwork } from '../support/small-network.js';

const there = it.skipIf((await missingOf('webgpu')) !== undefined);

useDataFolder();

describe('a run that auto plans for a GPU', { timeout: 120_000 }, () => {
  there('takes no calibration of another adapter, and says so; not even in the first run', async () => {
    const network = smallNetwork({ strides: [1] });
    const options = { strategy: 'auto', backend: 'webgpu', masker: randomMasker(0.5), granularity: 2 };
    const planned = async () =>
      (await run(network, randomImages(network, 1), options)).profile.notes.join('\n');
    storeGpuCalibration(madeUpGpu({ adapter: 'an adapter of another machine' }));
    const first = await planned();
    const { name } = await openDevice('f32');
    expect(first).toContain(
      `auto decided for another GPU, v100: device 'an adapter of another machine' was calibrated on an adapter of ` +
        `another machine; runs use ${name}: run fovea calibrate --backend webgpu again`,
    );
    storeGpuCalibration(madeUpGpu({ adapter: name }));
    expect(await planned()).not.toContain('another GPU');
  });
});
