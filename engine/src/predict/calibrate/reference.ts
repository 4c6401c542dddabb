import type { Session } from '../../backend/backend.js';
import type { Network } from '../../network/network.js';
import { makePlan } from '../../plan/make-plan.js';
import { dense } from '../../plan/strategies.js';
import type { Profile } from '../../profile.js';
import type { Tensor } from '../../tensor.js';
import { type Job, median, medianProfile, spreadOf, type TimedTrial, timeTrials } from './measure.js';

const runsAtATime = 2;

/** What a reference runs: the same network at a calibration and at a validation. */
export interface ReferenceProbe {
  readonly network: Network;
  readonly session: Session;
  readonly input: Tensor;
}

/** A dense run of a probe: how fast the machine is at the moment, neighbours and clocks included. */
export function referenceJob({ network, session, input }: ReferenceProbe, threads: number): Job {
  const plan = makePlan(network, { strategy: dense, threads });
  return { session, input, trial: { plan, maskers: [], threads } };
}

/** Time of a reference's passes, each the median of its runs, ms. */
export function referenceMs({ profiles }: Pick<TimedTrial, 'profiles'>): number {
  const { ops } = medianProfile(profiles);
  return ops.reduce((sum, op) => sum + op.totalMs, 0);
}

/** Reference runs scattered over a calibration, by number of threads. */
export class ReferenceRuns {
  private readonly jobs = new Map<number, Job>();
  private readonly timed = new Map<number, TimedTrial[]>();

  async run(probe: ReferenceProbe, threads: number, signal: AbortSignal | undefined): Promise<void> {
    const job = this.jobs.get(threads) ?? referenceJob(probe, threads);
    this.jobs.set(threads, job);
    const { timed } = await timeTrials([job], { runs: runsAtATime, signal });
    this.timed.set(threads, [...(this.timed.get(threads) ?? []), ...timed]);
  }

  timeMs(threads: number): number {
    return referenceMs({ profiles: this.profiles(threads) });
  }

  /** How much longer the median run took than the shortest. */
  get spread(): number {
    return median([...this.timed.keys()].map((threads) => spreadOf(this.profiles(threads))));
  }

  private profiles(threads: number): Profile[] {
    return this.timed.get(threads)!.flatMap(({ profiles }) => profiles);
  }
}
