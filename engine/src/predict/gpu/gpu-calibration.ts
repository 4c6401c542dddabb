import { FUSION_TILES } from '../../backends/webgpu/kernels/fusion.js';
import type { Family } from '../../backends/webgpu/launch.js';
import { VARIANTS } from '../../backends/webgpu/variants.js';
import { FoveaError } from '../../errors.js';
import type { Device } from '../../plan/device.js';

/** What one kernel family attains. */
export interface FamilyPace {
  /** One step of a workgroup that has the GPU to itself, ms. */
  readonly stepMs: number;
  /** Workgroups that take their steps at the same time when there are many. */
  readonly atOnce: number;
}

/** The `calibration` field of a device that `calibrate` measured through WebGPU. */
export interface GpuCalibration {
  readonly kind: 'webgpu';
  readonly adapter: string;
  /** The driver with its version, as WebGPU says it. */
  readonly driver: string;
  /** True when a program computed in the place of a GPU: times say nothing about one. */
  readonly software: boolean;
  /** True when the adapter timed dispatches itself; otherwise the processor's clock did. */
  readonly timed: boolean;
  /** Of all that compute in float32, which is what is predicted. */
  readonly families: Readonly<Partial<Record<Family, FamilyPace>>>;
  /** Bytes a millisecond of an element-wise pass: up to `nearBytes` of a pass, and beyond. */
  readonly nearBandwidth: number;
  readonly nearBytes: number;
  readonly farBandwidth: number;
  /** Starting a dispatch, ms. */
  readonly dispatchMs: number;
  /** What a pass takes beside its dispatches as it is timed, and between it and the next one, ms. */
  readonly passMs: number;
  readonly betweenMs: number;
  /** Start and end of a run with neither input nor output, ms; bytes a millisecond of those. */
  readonly runMs: number;
  readonly transferBandwidth: number;
}

const rates = ['nearBandwidth', 'nearBytes', 'farBandwidth', 'transferBandwidth'] as const;
const times = ['dispatchMs', 'passMs', 'betweenMs', 'runMs'] as const;

/** Families that every calibration has. */
export const families: readonly Family[] = [...Object.values(VARIANTS).flat(), ...FUSION_TILES].map(
  ({ family }) => family,
);

const checked = new WeakSet<object>();

/**
 * A device's calibration through WebGPU, checked.
 * @returns undefined for a device that has none, or one of another kind
 * @throws FoveaError `bad-file` when it is not one that this version understands
 */
export function gpuCalibrationOf(device: Device): GpuCalibration | undefined {
  if (device.calibration?.kind !== 'webgpu') return undefined;
  const calibration = device.calibration as unknown as GpuCalibration;
  if (!checked.has(device.calibration)) {
    const problem = problemOf(calibration);
    if (problem) {
      throw new FoveaError(
        'bad-file',
        `device '${device.name}': calibration ${problem}: run fovea calibrate --backend webgpu again`,
      );
    }
    checked.add(device.calibration);
  }
  return calibration;
}

function problemOf(calibration: GpuCalibration): string | undefined {
  for (const field of rates) {
    if (!(calibration[field] > 0)) return `has ${field} ${String(calibration[field])}, expected above 0`;
  }
  for (const field of times) {
    if (!(calibration[field] >= 0)) return `has ${field} ${String(calibration[field])}, expected 0 or more`;
  }
  for (const family of families) {
    const { stepMs, atOnce } = calibration.families?.[family] ?? {};
    if (!(stepMs! > 0 && atOnce! > 0)) return `does not know kernels '${family}'`;
  }
  return undefined;
}
