import { randomMasker, run } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../../engine/src/backends/webgpu/device.js';
import { families, type GpuCalibration } from '../../../engine/src/predict/gpu/gpu-calibration.js';
import { storeGpuCalibration } from '../../../engine/src/predict/gpu/this-gpu.js';
import { useDataFolder } from '../../support/data-folder.js';
import { missingOf } from '../support/backends.js';
import { randomImages, smallNetwork } from '../support/small-network.js';

const there = it.skipIf((await missingOf('webgpu')) !== undefined);

useDataFolder();

function storeCalibrationOf(adapter: string): void {
  const calibration: GpuCalibration = {
    ...{ kind: 'webgpu', adapter, driver: '1.0', software: false, timed: true },
    families: Object.fromEntries(
      families.map((family) => [family, { stepMs: 0.001, atOnce: 8 }]),
    ) as unknown as GpuCalibration['families'],
    ...{ nearBandwidth: 1e9, nearBytes: 1e6, farBandwidth: 1e6, transferBandwidth: 1e6 },
    ...{ dispatchMs: 0.01, passMs: 0.002, betweenMs: 0.003, runMs: 0.5 },
  };
  storeGpuCalibration({
    ...{ name: adapter, source: 'made up', kind: 'gpu', nominalBatch: 1 },
    ...{ processingEngines: 8, lanes: 64, frequencyHz: 1e9, memoryBandwidth: 1e9 },
    ...{ cacheBandwidthRatio: 1000, cacheBytes: 1e6, launchMs: 0.01 },
    calibration: calibration as unknown as Record<string, unknown>,
  });
}

describe('a run that auto plans for a GPU', { timeout: 120_000 }, () => {
  there('takes no calibration of another adapter, and says so; not even in the first run', async () => {
    const network = smallNetwork({ strides: [1] });
    const options = { strategy: 'auto', backend: 'webgpu', masker: randomMasker(0.5), granularity: 2 };
    const planned = async () =>
      (await run(network, randomImages(network, 1), options)).profile.notes.join('\n');
    storeCalibrationOf('an adapter of another machine');
    const first = await planned();
    const { name } = await openDevice('f32');
    expect(first).toContain(
      `auto decided for another GPU, v100: device 'an adapter of another machine' was calibrated on an adapter of ` +
        `another machine; runs use ${name}: run fovea calibrate --backend webgpu again`,
    );
    storeCalibrationOf(name);
    expect(await planned()).not.toContain('another GPU');
  });
});
