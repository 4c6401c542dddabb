import { FoveaError } from '../../errors.js';
import type { Masker } from '../../mask/mask.js';
import { blocksOf, type Network } from '../../network/network.js';
import { type LoweredNetwork, lowerNetwork } from '../../plan/lower.js';
import type { Plan } from '../../plan/plan.js';
import { decisionKey, decisionOf } from '../../primitives/decision.js';
import { workOf } from '../../program/work.js';
import type { Shape } from '../../tensor.js';
import { ProgramReport } from '../program-report.js';
import type { InferAddon, SessionHandle } from './addon.js';
import { type EncodedProgram, encodeProgram, type PackedNumbers } from './encode.js';

/** Programs kept per session: a person compares a few strategies, a benchmark a few rates. */
const KEPT_PROGRAMS = 16;
/** Plans that are recognised without being lowered again. */
const KEPT_TEXTS = 64;

/** A lowered network that the addon has accepted. */
export interface NativeProgram {
  readonly number: number;
  readonly lowered: LoweredNetwork;
  readonly encoded: EncodedProgram;
  readonly report: ProgramReport;
}

/** A session's programs, by what they were made from. */
export class Programs {
  readonly #kept = new Map<string, NativeProgram>();
  /** What ran last, most often what runs next, if nobody can have changed it. */
  #latest: { plan: Plan; maskers: readonly Masker[]; program: NativeProgram } | undefined;
  readonly #planTexts = new Map<string, number>();
  readonly #frozenPlans = new WeakMap<Plan, number>();
  #plansSeen = 0;
  readonly #foreignShapes = new Map<string, Shape>();

  constructor(
    readonly network: Network,
    readonly shape: Shape,
    readonly addon: InferAddon,
    readonly handle: SessionHandle,
  ) {}

  /**
   * The program of a plan with these maskers.
   * @param packed where the program's convolutions and maskers get their numbers
   * @throws FoveaError `bad-argument` when a block that follows its mask has no masker, `bad-shape`
   */
  get(plan: Plan, maskers: readonly Masker[], packed: PackedNumbers): NativeProgram {
    const latest = this.#latest;
    if (latest?.plan === plan && latest.maskers === maskers) return latest.program;
    const program = this.#find(plan, maskers, packed);
    this.#latest = Object.isFrozen(plan) && Object.isFrozen(maskers) ? { plan, maskers, program } : undefined;
    return program;
  }

  #find(plan: Plan, maskers: readonly Masker[], packed: PackedNumbers): NativeProgram {
    const key = `${this.#planNumber(plan)}${this.#maskersKey(plan, maskers)}`;
    const known = this.#kept.get(key);
    if (known) {
      // Reinserted, so that the map's order is that of last use.
      this.#kept.delete(key);
      this.#kept.set(key, known);
      return known;
    }
    const program = this.#make(plan, maskers, packed);
    this.#kept.set(key, program);
    for (const [oldest, { number }] of this.#kept) {
      if (this.#kept.size <= KEPT_PROGRAMS) break;
      this.#kept.delete(oldest);
      this.addon.inferDropProgram(this.handle, number);
    }
    return program;
  }

  /** Tells what shape a foreign node's output has: programs made without knowing are forgotten. */
  learnShape(foreignNode: string, shape: Shape): void {
    this.#foreignShapes.set(foreignNode, shape);
    for (const { number } of this.#kept.values()) this.addon.inferDropProgram(this.handle, number);
    this.#kept.clear();
    this.#latest = undefined;
  }

  #make(plan: Plan, maskers: readonly Masker[], packed: PackedNumbers): NativeProgram {
    const decisions = blocksOf(this.network).map((block) => decisionOf(block, maskers[block.index]));
    const lowered = lowerNetwork(this.network, plan, this.shape, decisions, this.#foreignShapes);
    const encoded = encodeProgram(lowered.program, packed);
    const number = this.addon.inferProgram(this.handle, ...encoded.tables);
    const report = new ProgramReport(
      this.network,
      plan,
      lowered,
      encoded.instructions,
      encoded.stops.map(({ owner, operation }) => ({ owner, work: workOf(operation) })),
    );
    return { number, lowered, encoded, report };
  }

  /** A plan is known by what it says: whoever holds it may have changed it, unless it is frozen. */
  #planNumber(plan: Plan): number {
    let number = this.#frozenPlans.get(plan);
    if (number !== undefined) return number;
    const text = JSON.stringify(plan);
    number = this.#planTexts.get(text);
    if (number === undefined) {
      if (this.#planTexts.size >= KEPT_TEXTS) this.#planTexts.clear();
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
