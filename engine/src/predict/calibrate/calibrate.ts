import os from 'node:os';
import type { Backend, Session } from '../../backends/backend.js';
import { inferAddon } from '../../backends/native/addon.js';
import { checkDataFolder } from '../../data-folder.js';
import { FoveaError } from '../../errors.js';
import type { Network } from '../../network/network.js';
import { networkShapes } from '../../network/walk.js';
import type { Device } from '../../plan/device.js';
import type { Profile } from '../../profile.js';
import { getBackend } from '../../run/backends.js';
import type { Tensor } from '../../tensor.js';
import { calibrationOf, fitFor, type NativeCalibration, type NativeFit } from '../calibration.js';
import { checkDevice } from '../check-device.js';
import { calibrateGpu } from '../gpu/calibrate-gpu.js';
import { type Caches, type Describer, describerFor } from '../program-cost/describer.js';
import { readCalibration, storeCalibration } from '../this-machine.js';
import { readCaches } from './caches.js';
import { atDistance, distancesOf, withOtherStates } from './core-distance.js';
import { expectedCosts } from './expected-costs.js';
import { measureFarBytes } from './held-bytes.js';
import { evaluate, robustFit, type Sample } from './least-squares.js';
import { lowerMedian } from './lower-median.js';
import type { CalibrateOptions, CalibrationResult } from './options.js';
import { atPace, type Pace, paceOf } from './pace.js';
import { measurePeaks, type Peaks } from './peaks.js';
import { probeNetworks } from './probe-networks.js';
import { samplesOf } from './samples.js';
import { outsideOf, plausibleInput, randomTrials, type TimedTrial, timeTrials } from './time-trials.js';

/** Trials timed together, and timed runs of each; the first round, which is always finished, is a small one. */
const trialsOfRound = 4;
const trialsOfFirstRound = 2;
const runsOfTrial = 3;

/** Fewest samples for each cost that is fitted. */
const samplesOfAmount = 7;

/** A probe network that is ready to run. */
interface OpenProbe {
  readonly network: Network;
  readonly session: Session;
  readonly input: Tensor;
}

/**
 * Measures the machine that this runs on: times every kind of pass that the native backend makes, at shapes
 * chosen at random, and finds what a unit of each kind of work costs. The result is stored in the user's data
 * folder and is the device `this-machine` from then on.
 *
 * @throws FoveaError `backend-unavailable` where there is no native backend, `aborted`, `io`
 */
export async function calibrate(options: CalibrateOptions = {}): Promise<CalibrationResult> {
  const { signal, onProgress, seconds = 22, store = true } = options;
  if (!(seconds > 0 && Number.isFinite(seconds)))
    throw new FoveaError('bad-argument', `seconds ${seconds}: a number above 0 is accepted`);
  if (store) checkDataFolder();
  const backend = options.backend ?? getBackend('native');
  if (backend.name === 'webgpu') return calibrateGpu(options);
  const started = performance.now();
  const elapsed = () => (performance.now() - started) / 1e3;
  const cores = Math.max(1, os.availableParallelism());
  const listed = readCaches();
  onProgress?.(0, 'peak arithmetic, cache and bandwidths');
  throwIfAborted(signal);
  const caches: Caches = { nearBytes: listed.nearBytes, farBytes: await measureFarBytes(listed, signal) };
  const peaks = await measurePeaks(backend, cores, caches.farBytes, listed.farBytes);
  throwIfAborted(signal);
  const probes: OpenProbe[] = [];
  try {
    for (const network of probeNetworks()) probes.push(await openProbe(network, backend));
    const timings = new Map<number, TimedTrial[][]>();
    const counts = threadCounts(cores);
    for (let round = 0; round < 1 || elapsed() < seconds; round++) {
      for (const threads of counts) {
        const kept = timings.get(threads) ?? probes.map(() => []);
        timings.set(threads, kept);
        for (const [i, { network, session, input }] of probes.entries()) {
          if (round > 0 && elapsed() > seconds) break;
          onProgress?.(Math.min(0.99, elapsed() / seconds), `${network.name}, ${threads} threads`);
          const count = round === 0 ? trialsOfFirstRound : trialsOfRound;
          const trials = randomTrials(network, count, threads, 1000 * round + 10 * threads + i);
          const jobs = trials.map((trial) => ({ session, input, trial }));
          kept[i]!.push(...(await timeTrials(jobs, { runs: runsOfTrial, signal })));
        }
      }
    }
    const isa = isaOf(timings);
    const describer = describerFor(isa);
    if (!describer) {
      throw new FoveaError(
        'backend-unavailable',
        `the native addon describes no programs for kernels '${isa}'`,
      );
    }
    const paces: (Pace | undefined)[] = [];
    const measured = counts.flatMap((threads) => {
      const timed = timings.get(threads)!;
      const profiles = profilesOf(timed);
      const pace = paceOf(profiles);
      paces.push(pace);
      const states = distancesOf(profiles);
      return (states.length > 0 ? states : [undefined]).map((handoverMs) => {
        const runs = timed.map((trials) => atDistance(trials, handoverMs));
        return fitOf(threads, probes, runs, describer, caches, pace, handoverMs, peaks);
      });
    });
    const stored = readCalibration().device;
    const earlier = stored && calibrationOf(stored);
    const fits = earlier?.isa === isa ? withOtherStates(measured, earlier.fits) : measured;
    const calibration: NativeCalibration = { kind: 'native', isa, machine: caches, fits };
    const device = deviceOf(calibration, peaks, cores);
    const path = store ? storeCalibration(device, isa) : undefined;
    onProgress?.(1, 'done');
    const slowdown = Math.max(...paces.map((pace) => (pace ? pace.medianMs / pace.leastMs - 1 : 0)));
    return { device, seconds: elapsed(), slowdown, ...(path === undefined ? {} : { path }) };
  } finally {
    for (const { session } of probes) session.dispose();
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new FoveaError('aborted', 'the calibration was aborted');
}

async function openProbe(network: Network, backend: Backend): Promise<OpenProbe> {
  const { height, width } = network.inputShape;
  const session = await backend.open(network, { batch: 1, height, width });
  return { network, session, input: plausibleInput(network, 1, height, width) };
}

/** Numbers of threads to time: powers of four, and all cores. */
function threadCounts(cores: number): number[] {
  const counts = new Set<number>();
  for (let threads = 1; threads < cores; threads *= 4) counts.add(threads);
  if (cores > 1) counts.add(2);
  return [...counts.add(cores)].sort((a, b) => a - b);
}

/** The instruction set, as the measured profiles name it: `native avx2`. */
function isaOf(timings: ReadonlyMap<number, readonly (readonly TimedTrial[])[]>): string {
  const [first] = timings.values();
  return first?.[0]?.[0]?.profiles[0]?.source.split(' ')[1] ?? 'portable';
}

const profilesOf = (timed: readonly (readonly TimedTrial[])[]): Profile[] =>
  timed.flatMap((trials) => trials.flatMap(({ profiles }) => profiles));

const trialAtPace = (trial: TimedTrial, { medianMs }: Pace): TimedTrial => ({
  ...trial,
  profiles: trial.profiles.map((profile) => atPace(profile, medianMs)),
});

function fitOf(
  threads: number,
  probes: readonly OpenProbe[],
  timed: readonly (readonly TimedTrial[])[],
  describer: Describer,
  caches: Caches,
  pace: Pace | undefined,
  handoverMs: number | undefined,
  peaks: Peaks,
): NativeFit {
  const quietMs = paceOf(profilesOf(timed))?.quietMs;
  const scaled = timed.map((trials) => (pace ? trials.map((trial) => trialAtPace(trial, pace)) : trials));
  const samplesWithin = (limitMs: number | undefined): Sample[] =>
    probes.flatMap(({ network }, i) => {
      const { height, width } = network.inputShape;
      const shapes = networkShapes(network, { batch: 1, height, width });
      return scaled[i]!.flatMap((trial) => samplesOf(network, shapes, trial, describer, caches, limitMs));
    });
  const { amounts: known } = describer;
  const quiet = samplesWithin(quietMs);
  // A calibration that was hardly given a core has few samples, and needs all of them.
  const samples = quiet.length < samplesOfAmount * known.length ? samplesWithin(undefined) : quiet;
  const outside = profilesOf(scaled).map(outsideOf);
  const costs = robustFit([...samples, ...expectedCosts(known, peaks)], known.length);
  const errors = samples.map(({ amounts, time }) => Math.abs(evaluate(amounts, costs) / time - 1));
  return {
    threads,
    costs: Object.fromEntries(known.map(({ name }, i) => [name, costs[i]!])),
    runMs: Math.max(0, lowerMedian(outside)),
    ...(pace ? { paceMs: pace.medianMs } : {}),
    ...(handoverMs === undefined ? {} : { handoverMs }),
    medianError: lowerMedian(errors),
    samples: samples.length,
  };
}

function deviceOf(calibration: NativeCalibration, peaks: Peaks, cores: number): Device {
  const lanes = 2 * inferAddon().inferLanes(calibration.isa)!;
  const perPass = fitFor(calibration, cores)!.costs;
  return checkDevice({
    name: 'this-machine',
    kind: 'cpu',
    source: `measured on ${os.cpus()[0]?.model.trim() || 'this machine'}, ${calibration.isa} kernels`,
    processingEngines: cores,
    lanes,
    frequencyHz: peaks.multiplyAdds / (lanes * cores),
    memoryBandwidth: peaks.memoryBandwidth,
    cacheBandwidthRatio: Math.max(1, peaks.cacheBandwidth / peaks.memoryBandwidth),
    cacheBytes: calibration.machine.farBytes,
    launchMs: perPass.passes!,
    nominalBatch: 1,
    sources: {
      lanes: 'two multiply-add units of a vector each',
      frequencyHz:
        'attained multiply-adds a second over lanes and cores: below the clock by what kernels lose',
      memoryBandwidth: 'element-wise pass over a map of twice the last-level cache, or what memory allows',
      cacheBandwidthRatio: 'element-wise pass over a map that fits, over that bandwidth',
      cacheBytes: 'where reading ever larger pieces of memory becomes slower; at most what is listed',
    },
    calibration: calibration as unknown as Readonly<Record<string, unknown>>,
  });
}
