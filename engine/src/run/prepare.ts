import os from 'node:os';
import type { Backend } from '../backends/backend.js';
import { FoveaError } from '../errors.js';
import type { Masker } from '../mask/mask.js';
import { checkRate } from '../mask/rate.js';
import type { Network } from '../network/network.js';
import { checkGivenPlan } from '../plan/check-plan.js';
import type { Granularity } from '../plan/granularity.js';
import { isSteady, keptPlan } from '../plan/kept-plan.js';
import type { Plan } from '../plan/plan.js';
import { resolveStrategy } from '../plan/strategies.js';
import type { Strategy } from '../plan/strategy.js';
import type { Shape, Tensor } from '../tensor.js';
import { checkThreads, mostThreads } from '../threads.js';
import { resolveBackend } from './backends.js';
import { resolveMaskers } from './maskers.js';
import type { NetworkRunOptions } from './options.js';

/** What options come to, for one network and one shape of input. */
export interface Preparation {
  readonly backend: Backend;
  readonly plan: Plan;
  readonly maskers: readonly Masker[];
  readonly threads: number;
}

/** What of the options the answer depends on, besides strategy and backend. */
type Question = {
  readonly [field in
    | 'masker'
    | 'rate'
    | 'seed'
    | 'threads'
    | 'excitation'
    | 'granularity']: NetworkRunOptions[field];
};

/** What a network's last run was prepared for, which is most often what the next one needs. */
interface Prepared {
  readonly question: Question;
  readonly shape: Shape;
  readonly strategy: Strategy;
  readonly preparation: Preparation;
}

const lastPrepared = new WeakMap<Network, Prepared>();

/**
 * For runs on a GPU: waits until it is known which adapter they will use, if a plan that is still to be made may depend on it. What
 * is wrong with the adapter is left for the run to say.
 */
export async function awaitAdapter({ backend, strategy, plan }: NetworkRunOptions): Promise<void> {
  if (plan || strategy === undefined) return;
  if (isSteady(resolveStrategy(strategy))) return;
  await resolveBackend(backend).check?.();
}

/**
 * Backend, plan and maskers of a run. The last answer is given again when the question is the same, for finding
 * it again would take as long as computing a small block.
 * @throws FoveaError as `run` does
 */
export function prepare(network: Network, input: Tensor, options: NetworkRunOptions): Preparation {
  const strategy = resolveStrategy(options.strategy);
  const backend = resolveBackend(options.backend);
  const last = lastPrepared.get(network);
  if (
    last?.strategy === strategy &&
    last.preparation.backend === backend &&
    last.shape.every((extent, axis) => extent === input.shape[axis]) &&
    asksTheSame(last.question, options)
  ) {
    return last.preparation;
  }
  const preparation = { backend, ...planRun(network, input.shape, options, strategy) };
  // Not kept: objects that may be changed in between, and strategies whose answer may change.
  const lasting = !options.plan && !Array.isArray(options.masker) && isSteady(strategy);
  if (lasting) {
    const { masker, rate, seed, threads, excitation, granularity } = options;
    lastPrepared.set(network, {
      question: {
        ...{ masker, rate, seed, threads, excitation },
        granularity: typeof granularity === 'object' ? [...granularity] : granularity,
      },
      shape: input.shape,
      strategy,
      preparation,
    });
  }
  return preparation;
}

function asksTheSame(a: Question, b: NetworkRunOptions): boolean {
  return (
    b.plan === undefined &&
    a.masker === b.masker &&
    a.rate === b.rate &&
    a.seed === b.seed &&
    a.threads === b.threads &&
    a.excitation === b.excitation &&
    sameGranularity(a.granularity, b.granularity)
  );
}

function sameGranularity(a: Granularity | undefined, b: Granularity | undefined): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b;
  return a.length === b.length && a.every((S, i) => S === b[i]);
}

/**
 * Plan and maskers of a run, whatever the backend.
 * @throws FoveaError as `run` does
 */
export function planRun(
  network: Network,
  [batch, height, width, channels]: Shape,
  options: NetworkRunOptions,
  strategy: Strategy,
): Omit<Preparation, 'backend'> {
  if (channels !== network.inputShape.channels) {
    throw new FoveaError(
      'bad-shape',
      `input of ${channels} channels; ${network.name} takes ${network.inputShape.channels}`,
    );
  }
  const threads = options.threads ?? defaultThreads();
  checkThreads(threads);
  if (options.rate !== undefined) checkRate(options.rate);
  const maskers = Object.freeze(resolveMaskers(network, options));
  const plan = options.plan
    ? checkGivenPlan(network, options.plan, options)
    : keptPlan(network, {
        batch,
        height,
        width,
        threads,
        maskers,
        strategy,
        ...(options.granularity !== undefined ? { granularity: options.granularity } : {}),
        ...(options.rate !== undefined ? { rate: options.rate } : {}),
        ...(options.excitation !== undefined ? { excitation: options.excitation } : {}),
        ...(isGpu(options.backend) ? { target: 'gpu' as const } : {}),
      });
  return { plan, maskers, threads };
}

/** True for the backend that computes on a GPU, by name or by value. */
export function isGpu(backend: NetworkRunOptions['backend']): boolean {
  return (typeof backend === 'object' ? backend?.name : backend) === 'webgpu';
}

/** Default number of threads: the cores that this process may use, as far as a run can. */
export function defaultThreads(): number {
  return Math.min(mostThreads, Math.max(1, os.availableParallelism()));
}
