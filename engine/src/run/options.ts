import type { Kinds } from '../arguments/expect.js';
import {
  aFunction,
  aNumber,
  aNumberOrNumbers,
  anInteger,
  anObject,
  aSignal,
  later,
  oneOf,
} from '../arguments/kinds.js';
import type { Backend, BackendName } from '../backends/backend.js';
import type { Excitation } from '../mask/excitation.js';
import type { Masker } from '../mask/mask.js';
import type { Granularity } from '../plan/granularity.js';
import type { Plan } from '../plan/plan.js';
import type { Strategy, StrategyName } from '../plan/strategy.js';

/** How to run a network; everything has a sensible default. */
export interface NetworkRunOptions {
  /** S: one for all, per stage, or per block. Left out: as trained, or 1. */
  readonly granularity?: Granularity;
  /**
   * Who decides the masks: by name, one masker for all blocks, or one per block. Left out: `learned` when
   * every adaptive block has a learned masker, otherwise `saliency`.
   */
  readonly masker?: 'learned' | 'saliency' | 'random' | Masker | readonly Masker[];
  /**
   * Rate for `saliency` and `random`, 0…1; 0.5 when left out. Beside a masker of your own it is what strategies assume of it. Refused
   * with learned and fixed masks, whose rates are their own.
   */
  readonly rate?: number;
  /** Seed for `random`; refused with any other masker. */
  readonly seed?: number;
  /** Strategy by name or by value; `streamed` when left out. */
  readonly strategy?: StrategyName | Strategy;
  /** A whole plan. It says strategy, S and excitation for every block, so that none of them is accepted beside it. */
  readonly plan?: Plan;
  readonly backend?: BackendName | Backend;
  /** Compute threads, at least 1; the machine's cores when left out. */
  readonly threads?: number;
  /** How attention pools; `exact` when left out. */
  readonly excitation?: Excitation;
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number, name: string) => void;
}

/** What each of them is, as far as it can be said without the network. */
export const runOptionKinds: Kinds<NetworkRunOptions> = {
  granularity: aNumberOrNumbers,
  masker: later,
  rate: aNumber,
  seed: anInteger,
  strategy: later,
  plan: anObject,
  backend: later,
  threads: aNumber,
  excitation: oneOf(['exact', 'active']),
  signal: aSignal,
  onProgress: aFunction,
};
