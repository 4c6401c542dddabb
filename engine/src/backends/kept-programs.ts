import { LRUCache } from 'lru-cache';
import { FoveaError } from '../errors.js';
import type { Masker } from '../mask/mask.js';
import { blocksOf, type Network } from '../network/network.js';
import { type LoweredNetwork, lowerNetwork } from '../plan/lower.js';
import { hasRewrite, type Plan, planText } from '../plan/plan.js';
import { decisionKey, decisionOf } from '../primitives/decision.js';
import type { Shape } from '../tensor.js';

/** Programs kept per session: a person compares a few strategies, a benchmark a few rates. */
const KEPT_PROGRAMS = 16;
/** Plans that are recognised without being lowered again. */
const KEPT_TEXTS = 64;

/** What a backend makes of lowered networks. */
export interface ProgramMaker<Made> {
  make(lowered: LoweredNetwork, plan: Plan): Made;
  /** Frees what was made; it is not asked for again. */
  drop(made: Made): void;
}

/** A session's programs, by what they were made from. */
export class KeptPrograms<Made extends object> {
  readonly #kept: LRUCache<string, Made>;
  /** The program that ran last, if it cannot have changed: most often it runs next. */
  #latest: { plan: Plan; maskers: readonly Masker[]; program: Made } | undefined;
  readonly #planTexts = new LRUCache<string, number>({ max: KEPT_TEXTS });
  readonly #frozenPlans = new WeakMap<Plan, number>();
  #plansSeen = 0;
  readonly #foreignShapes = new Map<string, Shape>();

  constructor(
    readonly network: Network,
    readonly shape: Shape,
    readonly maker: ProgramMaker<Made>,
  ) {
    this.#kept = new LRUCache({
      max: KEPT_PROGRAMS,
      dispose: (made, _, reason) => {
        if (reason === 'evict') maker.drop(made);
      },
    });
  }

  /**
   * The program of a plan with these maskers.
   * @throws FoveaError `bad-argument` when a block that follows its mask has no masker, `bad-shape`
   */
  get(plan: Plan, maskers: readonly Masker[]): Made {
    const latest = this.#latest;
    if (latest?.plan === plan && latest.maskers === maskers) return latest.program;
    const program = this.#find(plan, maskers);
    const lasting = Object.isFrozen(plan) && Object.isFrozen(maskers) && !hasRewrite(plan);
    this.#latest = lasting ? { plan, maskers, program } : undefined;
    return program;
  }

  /** Tells what shape a foreign node's output has: programs made without knowing are forgotten. */
  learnShape(foreignNode: string, shape: Shape): void {
    this.#foreignShapes.set(foreignNode, shape);
    this.clear();
  }

  /** Takes out one that turned out to be of no use; it is not dropped. */
  forget(program: Made): void {
    for (const [key, made] of [...this.#kept]) if (made === program) this.#kept.delete(key);
    if (this.#latest?.program === program) this.#latest = undefined;
  }

  /** Drops all programs, or all but one. */
  clear(except?: Made): void {
    for (const [key, made] of [...this.#kept]) {
      if (made === except) continue;
      this.#kept.delete(key);
      this.maker.drop(made);
    }
    if (this.#latest?.program !== except) this.#latest = undefined;
  }

  #find(plan: Plan, maskers: readonly Masker[]): Made {
    const lower = () => {
      const decisions = blocksOf(this.network).map((block) => decisionOf(block, maskers[block.index]));
      return lowerNetwork(this.network, plan, this.shape, decisions, this.#foreignShapes);
    };
    let key = `${this.#planNumber(plan)}${this.#maskersKey(plan, maskers)}`;
    // Two rewrites may have one name, and one may answer otherwise today: what they answer is part of the key.
    const rewritten = hasRewrite(plan) ? lower() : undefined;
    if (rewritten) key += ` ${rewritten.rewritten}`;
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const program = this.maker.make(rewritten ?? lower(), plan);
    this.#kept.set(key, program);
    return program;
  }

  /** A plan is known by what it says: its holder may have changed it, unless it is frozen. */
  #planNumber(plan: Plan): number {
    let number = this.#frozenPlans.get(plan);
    if (number !== undefined) return number;
    const text = planText(plan);
    number = this.#planTexts.get(text);
    if (number === undefined) {
      number = this.#plansSeen++;
      this.#planTexts.set(text, number);
    }
    if (Object.isFrozen(plan)) this.#frozenPlans.set(plan, number);
    return number;
  }

  /** What of the maskers a program depends on. */
  #maskersKey(plan: Plan, maskers: readonly Masker[]): string {
    let key = '';
    for (const block of blocksOf(this.network)) {
      const { index } = block;
      const masker = maskers[index];
      if (!masker) {
        if (plan.blocks[index]!.mode === 'dense') continue;
        throw new FoveaError(
          'bad-argument',
          `${maskers.length} maskers given; one per block is needed, block ${index} has none`,
        );
      }
      key += ` ${decisionKey(decisionOf(block, masker))}`;
    }
    return key;
  }
}
