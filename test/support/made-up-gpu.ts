import type { Device } from '@fovea/engine';
import { families, type GpuCalibration } from '../../engine/src/predict/gpu/gpu-calibration.js';

const calibration: GpuCalibration = {
  kind: 'webgpu',
  adapter: 'a GPU of round numbers',
  driver: '1.0',
  software: false,
  timed: true,
  families: Object.fromEntries(
    families.map((family) => [family, { stepMs: 0.001, atOnce: 8 }]),
  ) as unknown as GpuCalibration['families'],
  nearBandwidth: 1e9,
  nearBytes: 1e6,
  farBandwidth: 1e6,
  dispatchMs: 0.01,
  passMs: 0.002,
  betweenMs: 0.003,
  runMs: 0.5,
  transferBandwidth: 1e6,
};

/** A calibrated GPU of round numbers; `changes` are of its calibration. */
export function madeUpGpu(changes: Partial<GpuCalibration> = {}): Device {
  return {
    name: changes.adapter ?? calibration.adapter,
    source: 'made up',
    kind: 'gpu',
    processingEngines: 8,
    lanes: 64,
    frequencyHz: 1e9,
    memoryBandwidth: 1e9,
    cacheBandwidthRatio: 1000,
    cacheBytes: 1e6,
    launchMs: 0.01,
    nominalBatch: 1,
    calibration: { ...calibration, ...changes } as unknown as NonNullable<Device['calibration']>,
  };
}
