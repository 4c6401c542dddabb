import { expectArgument } from '../arguments/expect.js';
import { anObject } from '../arguments/kinds.js';
import { said } from '../arguments/said.js';
import { FoveaError } from '../errors.js';
import type { Device } from '../plan/device.js';
import { type Caches, describerFor, nativeAmounts } from './program-cost/describer.js';

/** What one unit of each amount costs with a number of threads, ms. */
export interface NativeFit {
  readonly threads: number;
  readonly costs: Readonly<Record<string, number>>;
  /**
   * Time of a run that is in no pass, ms; what comes to it as a share of the time of all passes, and for each byte of the
   * network's input and output.
   */
  readonly runMs: number;
  readonly runShare: number;
  readonly runByteMs: number;
  /** The pace that the costs are for, ms: see `OpTiming.paceMs`. Left out by backends that do not tell it. */
  readonly paceMs?: number;
  /** How far apart the cores were: see `Profile.handoverMs`. Left out for one thread. */
  readonly handoverMs?: number;
  /** Median relative error of the fit over the passes that it was made from. */
  readonly medianError: number;
  /** Passes that it was made from: those of quiet moments, where there were enough. */
  readonly samples: number;
}

/** The `calibration` field of a calibrated device: the native kernels' costs on it. */
export interface NativeCalibration {
  readonly kind: 'native';
  /** Instruction set of the kernels that were timed. */
  readonly isa: string;
  readonly machine: Caches;
  /**
   * For each number of threads that was timed, ascending, one fit for each state that the cores were seen in (see
   * `Profile.handoverMs`); that of the state that the last calibration mostly saw comes first, and is predicted with.
   */
  readonly fits: readonly NativeFit[];
}

const checked = new WeakMap<object, NativeCalibration>();

/**
 * A device's calibration of the native kernels, checked.
 * @returns undefined for a device that has none, or one of a GPU
 * @throws FoveaError `bad-file` when it is not one that this version understands
 */
export function calibrationOf(device: Device): NativeCalibration | undefined {
  expectArgument(device, anObject, 'calibrationOf: device');
  if (!device.calibration || device.calibration.kind === 'webgpu') return undefined;
  const known = checked.get(device.calibration);
  if (known) return known;
  if (typeof device.calibration !== 'object') {
    throw new FoveaError('bad-file', `device '${device.name}': calibration is ${said(device.calibration)}`);
  }
  const calibration = device.calibration as unknown as NativeCalibration;
  const problem = problemOf(calibration);
  if (problem) {
    throw new FoveaError(
      'bad-file',
      `device '${device.name}': calibration ${problem}: run fovea calibrate again`,
    );
  }
  checked.set(device.calibration, calibration);
  return calibration;
}

function problemOf({ kind, isa, machine, fits }: NativeCalibration): string | undefined {
  if (kind !== 'native') return `of kind '${String(kind)}', expected 'native'`;
  for (const size of ['nearBytes', 'farBytes'] as const) {
    if (!isAtLeast(machine?.[size], 1))
      return `has machine.${size} ${String(machine?.[size])}, expected 1 or more`;
  }
  if (machine.farBytes < machine.nearBytes)
    return `has machine.farBytes ${machine.farBytes}, expected machine.nearBytes, ${machine.nearBytes}, or more`;
  if (!Array.isArray(fits) || fits.length === 0) return 'has no fits';
  if (nativeAmounts() && !describerFor(isa)) return `is for kernels '${String(isa)}', which are not known`;
  for (const fit of fits) {
    if (!isAtLeast(fit?.threads, 1)) return `has a fit for ${String(fit?.threads)} threads`;
    for (const figure of ['runMs', 'runShare', 'runByteMs'] as const) {
      if (!isAtLeast(fit[figure], 0)) return `has ${figure} ${String(fit[figure])}, expected 0 or more`;
    }
    // Which amounts there are only the addon knows; without it no cost is used.
    for (const name of nativeAmounts()?.map((amount) => amount.name) ?? []) {
      const cost = fit.costs?.[name];
      if (!isAtLeast(cost, 0)) return `has cost ${name} ${String(cost)}, expected 0 or more`;
    }
  }
  return undefined;
}

const isAtLeast = (value: unknown, least: number): boolean =>
  Number.isFinite(value) && Number(value) >= least;

/** What the fits say for a number of threads. */
type Costs = { readonly costs: Float64Array } & Pick<NativeFit, 'runMs' | 'runShare' | 'runByteMs'>;

const interpolated = new WeakMap<NativeCalibration, Map<number, Costs>>();

/** Costs for a number of threads: as measured, or between the nearest two that were, by the logarithm. */
export function costsFor(calibration: NativeCalibration, threads: number): Costs {
  let known = interpolated.get(calibration);
  if (!known) {
    known = new Map();
    interpolated.set(calibration, known);
  }
  let answer = known.get(threads);
  if (!answer) {
    answer = interpolate(calibration.fits, threads);
    known.set(threads, answer);
  }
  return answer;
}

/**
 * Time of a run beside its passes, ms, where these take `passesMs`.
 * @param exchanged bytes of the network's input and output
 */
export function besidePassesMs(
  calibration: NativeCalibration,
  threads: number,
  passesMs: number,
  exchanged: number,
): number {
  const { runMs, runShare, runByteMs } = costsFor(calibration, threads);
  return runMs + runShare * passesMs + runByteMs * exchanged;
}

/** The fit that a number of threads is predicted with; undefined for a number that was not timed. */
export const fitFor = ({ fits }: NativeCalibration, threads: number): NativeFit | undefined =>
  fits.find((fit) => fit.threads === threads);

function interpolate(all: readonly NativeFit[], threads: number): Costs {
  const fits = all.filter((fit, i) => fit.threads !== all[i - 1]?.threads);
  const above = fits.find((fit) => fit.threads >= threads) ?? fits[fits.length - 1]!;
  const below = [...fits].reverse().find((fit) => fit.threads <= threads) ?? fits[0]!;
  const span = Math.log(above.threads / below.threads);
  const t = span > 0 ? Math.log(threads / below.threads) / span : 0;
  const mix = (a: number, b: number) => a * (1 - t) + b * t;
  return {
    costs: Float64Array.from(nativeAmounts() ?? [], ({ name }) =>
      mix(below.costs[name]!, above.costs[name]!),
    ),
    runMs: mix(below.runMs, above.runMs),
    runShare: mix(below.runShare, above.runShare),
    runByteMs: mix(below.runByteMs, above.runByteMs),
  };
}
