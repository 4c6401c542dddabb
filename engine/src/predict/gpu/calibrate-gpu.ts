import { type Device as Gpu, openDevice } from '../../backends/webgpu/device.js';
import { everywhere } from '../../backends/webgpu/everywhere.js';
import { TILES } from '../../backends/webgpu/kernels/gemm.js';
import { addKernel } from '../../backends/webgpu/kernels/maps.js';
import type { Family, Launch } from '../../backends/webgpu/launch.js';
import { LaunchTimer } from '../../backends/webgpu/launch-timer.js';
import { probeMap } from '../../backends/webgpu/probe.js';
import { FoveaError } from '../../errors.js';
import type { Device } from '../../plan/device.js';
import type { CalibrateOptions, CalibrationResult } from '../calibrate/options.js';
import { checkDevice } from '../check-device.js';
import type { FamilyPace, GpuCalibration } from './gpu-calibration.js';
import { measureRuns } from './measure-runs.js';
import { type Probe, probes } from './probes.js';
import { storeGpuCalibration } from './this-gpu.js';

/** More work is timed until a dispatch takes as long as this, ms, or all of it is. */
const ENOUGH_MS = 30;

/** Bytes read and written by the element-wise passes that find the bandwidths. */
const SIZES = [2, 8, 32, 128, 512].map((mebibytes) => mebibytes * 2 ** 20);

/** Rows of a convolution, or sides of a map, that are timed one after the other: twice as much work each. */
const DOUBLINGS = 9;

function copyLaunch(bytes: number): Launch {
  const whole = probeMap([1, 1, Math.max(1, bytes / 2 / 16), 4]);
  const buffers = { destination: { map: whole }, a: { map: whole } };
  return everywhere(addKernel('own', 'none', 'relu'), whole, {}, buffers);
}

function groupsOf({ workgroups }: Launch): number {
  const [x, y, z] = workgroups as readonly [number, number, number];
  return x * y * z;
}

/**
 * Measures the GPU that WebGPU gives: what a step of each kernel family takes, alone and among many, how fast values
 * are read and written, and what dispatches, passes and runs cost by themselves. The result is stored in the user's data
 * folder and is the device `this-gpu` from then on.
 *
 * @throws FoveaError `backend-unavailable` without a GPU, `aborted`, `io`
 */
export async function calibrateGpu({
  signal,
  onProgress,
  store = true,
}: Omit<CalibrateOptions, 'backend' | 'seconds'> = {}): Promise<CalibrationResult> {
  const started = performance.now();
  const gpu = await openDevice('f32');
  const timer = new LaunchTimer(gpu);
  const said = (fraction: number, what: string) => {
    if (signal?.aborted) throw new FoveaError('aborted', 'the calibration was aborted');
    onProgress?.(fraction, what);
  };
  try {
    said(0, 'starting a dispatch');
    const dispatchMs = await timer.ms(copyLaunch(32));
    const paces: Partial<Record<Family, FamilyPace>> = {};
    for (const [i, probe] of probes.entries()) {
      const { family } = probe;
      said(0.1 + (0.5 * i) / probes.length, `kernels ${family}`);
      paces[family] = await paceOf(probe, timer, dispatchMs);
    }
    said(0.6, 'bandwidths');
    const bandwidths = await measureBandwidths(gpu, timer, dispatchMs);
    said(0.8, 'starting passes and runs');
    const runs = await measureRuns(dispatchMs);
    const calibration: GpuCalibration = {
      kind: 'webgpu',
      adapter: gpu.name,
      driver: gpu.driver,
      software: gpu.software,
      timed: gpu.timed,
      families: paces,
      ...bandwidths,
      dispatchMs,
      ...runs,
    };
    const device = deviceOf(calibration);
    const path = store ? storeGpuCalibration(device) : undefined;
    said(1, 'done');
    const seconds = (performance.now() - started) / 1e3;
    return { device, seconds, slowdown: 0, ...(path === undefined ? {} : { path }) };
  } finally {
    timer.destroy();
  }
}

/** How long a step of one workgroup takes, and how many workgroups of very many take their steps at once. */
async function paceOf(probe: Probe, timer: LaunchTimer, dispatchMs: number): Promise<FamilyPace> {
  const one = probe.one();
  const steps = one.effort!.steps;
  const net = (ms: number) => Math.max(ms - dispatchMs, ms / 10);
  const stepMs = net(await timer.ms(one)) / steps;
  let atOnce = 1;
  for (let doubling = 0; doubling <= DOUBLINGS; doubling++) {
    const launch = probe.many(doubling);
    const ms = await timer.ms(launch);
    atOnce = Math.max(atOnce, (groupsOf(launch) * launch.effort!.steps * stepMs) / net(ms));
    if (ms > ENOUGH_MS) break;
  }
  return { stepMs, atOnce };
}

async function measureBandwidths(gpu: Gpu, timer: LaunchTimer, dispatchMs: number) {
  const measured: { readonly bytes: number; readonly bandwidth: number }[] = [];
  for (const bytes of SIZES) {
    if (bytes / 2 > gpu.mostBytes) break;
    const ms = await timer.ms(copyLaunch(bytes));
    measured.push({ bytes, bandwidth: bytes / Math.max(ms - dispatchMs, ms / 10) });
    if (ms > ENOUGH_MS) break;
  }
  const farBandwidth = measured.at(-1)!.bandwidth;
  const nearBandwidth = Math.max(...measured.map(({ bandwidth }) => bandwidth));
  // Sizes at which a pass is nearer to the faster of the two.
  const near = measured.filter(({ bandwidth }) => bandwidth >= Math.sqrt(nearBandwidth * farBandwidth));
  return { farBandwidth, nearBandwidth, nearBytes: near.at(-1)!.bytes };
}

/** WebGPU does not say how wide an engine is: this is a warp or two on most GPUs, and only the product counts. */
const LANES = 64;

function deviceOf(calibration: GpuCalibration): Device {
  const { adapter, software, timed, dispatchMs, nearBandwidth, farBandwidth, nearBytes } = calibration;
  const attained = TILES.map(({ family, rows, channels, depth }) => {
    const { stepMs, atOnce } = calibration.families[family]!;
    // A step multiplies a slice of `depth` vectors.
    return { atOnce, multiplyAddsPerMs: (atOnce * rows * channels * 4 * depth) / stepMs };
  });
  const best = attained.reduce((a, b) => (b.multiplyAddsPerMs > a.multiplyAddsPerMs ? b : a));
  const processingEngines = Math.max(1, Math.round(best.atOnce));
  const by = timed ? 'timestamp queries' : "the processor's clock";
  return checkDevice({
    name: adapter,
    kind: 'gpu',
    source: `measured through WebGPU on ${adapter} by ${by}${software ? '; a software driver: its times say nothing about a GPU' : ''}`,
    processingEngines,
    lanes: LANES,
    frequencyHz: (best.multiplyAddsPerMs * 1e3) / processingEngines / LANES,
    memoryBandwidth: farBandwidth * 1e3,
    cacheBandwidthRatio: Math.max(1, nearBandwidth / farBandwidth),
    cacheBytes: nearBytes,
    launchMs: dispatchMs,
    nominalBatch: 1,
    sources: {
      processingEngines: 'workgroups of the fastest tile that ran at the same time',
      lanes: 'not known to WebGPU',
      frequencyHz: 'attained multiply-adds a second of a 3x3 convolution over engines and lanes',
      memoryBandwidth: 'element-wise pass over the largest map timed',
      cacheBandwidthRatio: 'the fastest element-wise pass over that',
      cacheBytes: 'the largest element-wise pass nearly as fast as the fastest',
    },
    calibration: calibration as unknown as Readonly<Record<string, unknown>>,
  });
}
