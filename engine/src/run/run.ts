import os from 'node:os';
import type { Backend, RunResult, Session } from '../backend/backend.js';
import { FoveaError } from '../errors.js';
import { learnedMasker } from '../mask/learned.js';
import type { Masker } from '../mask/mask.js';
import { randomMasker } from '../mask/random.js';
import { saliencyMasker } from '../mask/saliency.js';
import { blocksOf, type Network } from '../network/network.js';
import type { Granularity } from '../plan/granularity.js';
import { makePlan } from '../plan/make-plan.js';
import type { Plan } from '../plan/plan.js';
import type { Strategy } from '../plan/strategy.js';
import { checkBlockPlan } from '../plan/validate.js';
import type { Tensor } from '../tensor.js';
import { getBackend } from './backends.js';

/** How to run a network; everything has a sensible default. */
export interface NetworkRunOptions {
  /** S: one for all, per stage, or per block. Left out: as trained, or 1. */
  readonly granularity?: Granularity;
  /**
   * Who decides the masks: by name, one masker for all blocks, or one per block. Left out: `learned` when
   * every adaptive block has a learned masker, otherwise `saliency`.
   */
  readonly masker?: 'learned' | 'saliency' | 'random' | Masker | readonly Masker[];
  /** Rate for `saliency` and `random`, 0…1; 0.5 when left out. */
  readonly rate?: number;
  /** Seed for `random`. */
  readonly seed?: number;
  /** Strategy by name or by value, or a whole plan; `streamed` when left out. */
  readonly strategy?: string | Strategy;
  readonly plan?: Plan;
  readonly backend?: string | Backend;
  /** Compute threads, at least 1; the machine's cores when left out. */
  readonly threads?: number;
  /** How squeeze-and-excitation pools; `exact` when left out. */
  readonly excitation?: 'exact' | 'active';
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number, name: string) => void;
}

/**
 * Runs a network on a batch of images and measures it.
 *
 * @param input `[N, H, W, C]`, already normalised; any H and W that the layers allow
 * @returns output, the masks of the blocks that ran adaptively, and the measured Profile
 * @throws FoveaError `bad-shape` (channels, too small a map), `bad-argument` (rate, S, threads, NaN input, a
 *   plan that does not fit), `unknown-name`, `backend-unavailable`, `aborted`
 */
export async function run(
  network: Network,
  input: Tensor,
  options: NetworkRunOptions = {},
): Promise<RunResult> {
  const [batch, height, width, channels] = input.shape;
  if (channels !== network.inputShape.channels) {
    throw new FoveaError(
      'bad-shape',
      `input of ${channels} channels; ${network.name} takes ${network.inputShape.channels}`,
    );
  }
  checkFinite(input);
  const threads = options.threads ?? defaultThreads();
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024) {
    throw new FoveaError('bad-argument', `threads ${threads}: an integer from 1 to 1024 is accepted`);
  }
  const maskers = resolveMaskers(network, options);
  const plan = options.plan
    ? checkPlan(network, options.plan)
    : makePlan(network, {
        batch,
        height,
        width,
        threads,
        maskers,
        ...(options.strategy !== undefined ? { strategy: options.strategy } : {}),
        ...(options.granularity !== undefined ? { granularity: options.granularity } : {}),
        ...(options.rate !== undefined ? { rate: options.rate } : {}),
        ...(options.excitation !== undefined ? { excitation: options.excitation } : {}),
      });
  const backend = typeof options.backend === 'object' ? options.backend : getBackend(options.backend);
  const signal = options.signal ?? ambientSignal();
  if (signal?.aborted) throw new FoveaError('aborted', 'the run was aborted before it began');
  const session = await sessionFor(network, backend, { batch, height, width });
  return session.run(input, {
    plan,
    maskers,
    threads,
    ...(signal ? { signal } : {}),
    ...(options.onProgress ? { onProgress: options.onProgress } : {}),
  });
}

/** Where a program around the engine, such as a notebook's kernel, leaves the signal of what is running. */
const ambient = Symbol.for('fovea.signal');

/** The signal that a run obeys when it is given none. */
function ambientSignal(): AbortSignal | undefined {
  const signal = (globalThis as { [ambient]?: unknown })[ambient];
  return signal instanceof AbortSignal ? signal : undefined;
}

/** Threads used when none are asked for: the cores this process may use. */
export function defaultThreads(): number {
  return Math.max(1, os.availableParallelism());
}

/**
 * One masker per block from what the options say.
 * @throws FoveaError `unsupported` when `learned` is asked for and a block has none
 */
export function resolveMaskers(
  network: Network,
  { masker, rate = 0.5, seed }: Pick<NetworkRunOptions, 'masker' | 'rate' | 'seed'>,
): Masker[] {
  const blocks = blocksOf(network);
  if (Array.isArray(masker)) {
    if (masker.length !== blocks.length) {
      throw new FoveaError(
        'bad-argument',
        `${masker.length} maskers given; ${blocks.length} (one per block) are accepted`,
      );
    }
    return [...masker];
  }
  const without = blocks.find((block) => block.adaptive && !block.masker);
  const wanted = masker ?? (blocks.length > 0 && !without ? 'learned' : 'saliency');
  if (typeof wanted === 'object') return blocks.map(() => wanted as Masker);
  switch (wanted) {
    case 'learned':
      if (without) {
        throw new FoveaError(
          'unsupported',
          `masker "learned": block ${without.index} (${without.name}) of ${network.name} has none; ` +
            'choose saliency, random or fixed, or fit maskers first',
        );
      }
      return blocks.map(() => learnedMasker());
    case 'saliency':
      return blocks.map(() => saliencyMasker(rate));
    case 'random':
      return blocks.map(() => randomMasker(rate, seed));
    default:
      throw new FoveaError(
        'unknown-name',
        `unknown masker "${String(wanted)}"; learned, saliency, random or a Masker are accepted`,
      );
  }
}

function checkPlan(network: Network, plan: Plan): Plan {
  const blocks = blocksOf(network);
  if (plan.blocks.length !== blocks.length) {
    throw new FoveaError(
      'bad-argument',
      `plan for ${plan.blocks.length} blocks; ${network.name} has ${blocks.length}`,
    );
  }
  plan.blocks.forEach((blockPlan, i) => {
    if (blockPlan.block !== i) {
      throw new FoveaError(
        'bad-argument',
        `plan entry ${i} is for block ${blockPlan.block}; plans are in block order`,
      );
    }
    checkBlockPlan(blockPlan, blocks[i]!);
  });
  return plan;
}

function checkFinite({ data }: Tensor): void {
  // A value times 0 is 0 unless it is NaN or infinite: one plain sum clears an image in a tenth of a millisecond.
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i]! * 0;
  if (sum === 0) return;
  const at = data.findIndex((value) => !Number.isFinite(value));
  throw new FoveaError('bad-argument', `input value ${at} is ${data[at]}; finite numbers are accepted`);
}

/** Packed networks are kept as long as the network itself, a few shapes each. */
const sessions = new WeakMap<Network, Map<string, Promise<Session>>>();
const KEPT_SHAPES = 4;

function sessionFor(
  network: Network,
  backend: Backend,
  shape: { batch: number; height: number; width: number },
): Promise<Session> {
  let kept = sessions.get(network);
  if (!kept) {
    kept = new Map();
    sessions.set(network, kept);
  }
  const key = `${backend.name} ${shape.batch}x${shape.height}x${shape.width}`;
  const found = kept.get(key);
  if (found) {
    // Reinserted, so that the map's order is that of last use.
    kept.delete(key);
    kept.set(key, found);
    return found;
  }
  const opening = backend.open(network, shape);
  kept.set(key, opening);
  opening.catch(() => kept.delete(key));
  for (const [oldest, session] of kept) {
    if (kept.size <= KEPT_SHAPES) break;
    kept.delete(oldest);
    void session.then((open) => open.dispose()).catch(() => undefined);
  }
  return opening;
}

/** Frees everything kept for a network: packed weights and buffers of all backends and shapes. */
export async function release(network: Network): Promise<void> {
  const kept = sessions.get(network);
  sessions.delete(network);
  for (const session of kept?.values() ?? []) (await session).dispose();
}
