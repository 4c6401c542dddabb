import os from 'node:os';
import type { Backend, Session } from '../../backends/backend.js';
import { FoveaError } from '../../errors.js';
import type { Network } from '../../network/network.js';
import type { Device } from '../../plan/device.js';
import type { Tensor } from '../../tensor.js';
import { threadsText } from '../../threads.js';
import type { NativeCalibration, NativeFit } from '../calibration.js';
import { type Caches, describerFor } from '../program-cost/describer.js';
import { readCaches } from './caches.js';
import { calibratedDevice } from './calibrated-device.js';
import { atDistance, distancesOf } from './core-distance.js';
import { fitCosts, profilesOf } from './fit-costs.js';
import { measureFarBytes } from './held-bytes.js';
import { paceOf } from './pace.js';
import { measurePeaks, type Peaks } from './peaks.js';
import { probeNetworks } from './probe-networks.js';
import { plausibleInput, randomTrials, type TimedTrial, timeTrials } from './time-trials.js';

/** Trials timed together, and timed runs of each; the first round, which is always finished, is a small one. */
const trialsOfRound = 4;
const trialsOfFirstRound = 2;
const runsOfTrial = 3;

/** How long to record, and what to call meanwhile. */
export interface RecordOptions {
  /** Numbers of threads that trials run on. */
  readonly threads: readonly number[];
  /** Seconds until no further trial is begun; every number of threads and probe network has a few trials even so. */
  readonly seconds: number;
  readonly signal?: AbortSignal | undefined;
  /** Called before every few trials with what they measure. */
  readonly onTrial?: (what: string) => void;
}

/** A probe network that is ready to run, and its trials so far, by number of threads. */
interface Probe {
  readonly network: Network;
  readonly session: Session;
  readonly input: Tensor;
  readonly timed: Map<number, TimedTrial[]>;
}

/**
 * A calibration of the native backend in the making: records trials for as long and as often as it is asked to, and fits
 * a device to all of them.
 */
export class Calibrator {
  private rounds = 0;

  private constructor(
    private readonly probes: readonly Probe[],
    private readonly caches: Caches,
    private readonly peaks: Peaks,
  ) {}

  /**
   * Measures caches and peaks, and opens the probe networks.
   * @throws FoveaError `backend-unavailable`, `aborted`
   */
  static async open(backend: Backend, signal?: AbortSignal): Promise<Calibrator> {
    throwIfAborted(signal);
    const listed = readCaches();
    const caches: Caches = { nearBytes: listed.nearBytes, farBytes: await measureFarBytes(listed, signal) };
    const peaks = await measurePeaks(backend, coreCount(), caches.farBytes, listed.farBytes);
    throwIfAborted(signal);
    const probes: Probe[] = [];
    try {
      for (const network of probeNetworks()) {
        const { height, width } = network.inputShape;
        const session = await backend.open(network, { batch: 1, height, width });
        probes.push({ network, session, input: plausibleInput(network, 1, height, width), timed: new Map() });
      }
    } catch (error) {
      for (const { session } of probes) session.dispose();
      throw error;
    }
    return new Calibrator(probes, caches, peaks);
  }

  /**
   * Times more random plans of the probe networks.
   * @throws FoveaError `aborted`
   */
  async record({ threads, seconds, signal, onTrial }: RecordOptions): Promise<void> {
    const started = performance.now();
    const elapsed = () => (performance.now() - started) / 1e3;
    for (let round = 0; round < 1 || elapsed() < seconds; round++, this.rounds++) {
      for (const count of threads) {
        for (const [i, { network, session, input, timed }] of this.probes.entries()) {
          if (round > 0 && elapsed() > seconds) break;
          onTrial?.(`${network.name}, ${threadsText(count)}`);
          const trials = randomTrials(
            network,
            round === 0 ? trialsOfFirstRound : trialsOfRound,
            count,
            1000 * this.rounds + 10 * count + i,
          );
          const jobs = trials.map((trial) => ({ session, input, trial }));
          const kept = timed.get(count) ?? [];
          timed.set(count, kept);
          kept.push(...(await timeTrials(jobs, { runs: runsOfTrial, signal })));
        }
      }
    }
  }

  /** Instruction set of the kernels that were timed, as profiles name it: `native avx2`. */
  get isa(): string {
    const [profile] = this.threads.flatMap((count) => profilesOf(this.timedOn(count)));
    return profile?.source.split(' ')[1] ?? 'portable';
  }

  /** How much slower the processor was most of the time than at its best: 0.05 is five percent. */
  get slowdown(): number {
    const paces = this.threads.map((count) => paceOf(profilesOf(this.timedOn(count))));
    return Math.max(0, ...paces.map((pace) => (pace ? pace.medianMs / pace.leastMs - 1 : 0)));
  }

  /**
   * The device `this-machine` by everything recorded so far, of which there must be some.
   *
   * @param complete adds what an earlier calibration knows to the fits
   * @throws FoveaError `backend-unavailable` where the addon describes no programs
   */
  device(
    complete: (fits: readonly NativeFit[], isa: string) => readonly NativeFit[] = (fits) => fits,
  ): Device {
    const { isa, caches, peaks } = this;
    const describer = describerFor(isa);
    if (!describer) {
      throw new FoveaError(
        'backend-unavailable',
        `the native addon describes no programs for kernels '${isa}'`,
      );
    }
    const fits = this.threads.flatMap((count) => {
      const timed = this.timedOn(count);
      const profiles = profilesOf(timed);
      const pace = paceOf(profiles);
      const states = distancesOf(profiles);
      return (states.length > 0 ? states : [undefined]).map((handoverMs) => {
        const runs = timed.map((one) => ({ ...one, trials: atDistance(one.trials, handoverMs) }));
        return fitCosts(count, runs, describer, caches, pace, handoverMs, peaks);
      });
    });
    const calibration: NativeCalibration = {
      kind: 'native',
      isa,
      machine: caches,
      fits: complete(fits, isa),
    };
    return calibratedDevice(calibration, peaks, coreCount());
  }

  dispose(): void {
    for (const { session } of this.probes) session.dispose();
  }

  /** Numbers of threads that were recorded, ascending. */
  private get threads(): number[] {
    return [...(this.probes[0]?.timed.keys() ?? [])].sort((a, b) => a - b);
  }

  private timedOn(threads: number) {
    return this.probes.map(({ network, timed }) => ({ network, trials: timed.get(threads) ?? [] }));
  }
}

/** Cores that this process may use. */
export const coreCount = (): number => Math.max(1, os.availableParallelism());

/** Numbers of threads that costs are fitted for, on so many cores: powers of four, two, and all cores. */
export function threadCounts(cores: number): number[] {
  const counts = new Set<number>();
  for (let threads = 1; threads < cores; threads *= 4) counts.add(threads);
  if (cores > 1) counts.add(2);
  return [...counts.add(cores)].sort((a, b) => a - b);
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new FoveaError('aborted', 'the calibration was aborted');
}
