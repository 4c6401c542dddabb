import type { Session } from '../../backend/backend.js';
import type { Network } from '../../network/network.js';
import { makePlan } from '../../plan/make-plan.js';
import { dense } from '../../plan/strategies.js';
import type { Profile } from '../../profile.js';
import type { Tensor } from '../../tensor.js';
import { type Job, medianProfile } from './measure.js';

/** A network that is timed at every calibration and validation, ready to run. */
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
export function referenceMs(profiles: readonly Profile[]): number {
  const { ops } = medianProfile(profiles);
  return ops.reduce((sum, op) => sum + op.totalMs, 0);
}
