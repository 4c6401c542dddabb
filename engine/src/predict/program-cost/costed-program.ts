import { PassOrder } from '../../backends/pass-order.js';
import type { Masker } from '../../mask/mask.js';
import { decidesByRule } from '../../mask/rule.js';
import { type Block, blocksOf, type Network } from '../../network/network.js';
import type { NetworkShapes } from '../../network/walk.js';
import { lowerNetwork } from '../../plan/lower.js';
import { hasRewrite, type Plan, type Primitive, planText } from '../../plan/plan.js';
import { type Decision, decisionKey, decisionOf } from '../../primitives/decision.js';
import type { Program } from '../../program/program.js';
import { WorkSums } from '../../program/work.js';
import type { Coverage } from '../coverage.js';
import { coveredAt, squaresAt } from './costed-part.js';
import { knownForeignShapes, type PlacedBlock, type PlacedParts, partsOfPlan } from './placed-parts.js';

/** How many pixels a program's regions have: counted, or expected of random masks. */
export interface RegionCounts {
  /** By region, whole batch. */
  readonly pixels: Float64Array;
  /** By region: squares of 2 x 2 pixels with at least one that is in it. */
  readonly squares: Float64Array;
  /** By mask: 1 where the counts are expectations, so fractions. */
  readonly expected: Float64Array;
}

/** A program that is costed: what `run` would execute, with everything worked out that no mask changes. */
export class CostedProgram {
  /** By index: the blocks that follow their masks. */
  readonly adaptive: ReadonlyMap<number, PlacedBlock>;
  readonly #wholes: Float64Array;
  readonly #masks: number;
  /** By part: the pass of each of its steps. */
  readonly #passes: readonly (readonly number[])[];
  readonly #lower: () => Program;
  #lowered: Program | undefined;
  #sums: WorkSums | undefined;

  /** @param lower makes the same program as `placed` */
  constructor(
    readonly order: PassOrder,
    readonly placed: PlacedParts,
    lower: () => Program,
  ) {
    const { parts } = placed;
    this.#lower = lower;
    this.#wholes = new Float64Array(parts.reduce((sum, { part }) => sum + part.regions.length, 0));
    for (const { part, at } of parts)
      part.regions.forEach(({ pixels }, i) => {
        this.#wholes[at.firstRegion + i] = pixels;
      });
    this.#passes = parts.map(({ part, node: first }) =>
      part.steps.map(({ owner: { node, group } }) => this.order.of({ node: first + node, group })),
    );
    this.#masks = parts.reduce((most, { at }) => at.masks.reduce((a, b) => Math.max(a, b + 1), most), 0);
    this.adaptive = new Map(
      parts.flatMap(({ adaptive }) => adaptive.map((block) => [block.block.index, block] as const)),
    );
  }

  /** The program as a whole. */
  get lowered(): Program {
    this.#lowered ??= this.#lower();
    return this.#lowered;
  }

  /** FLOPs and bytes of its passes; a search does without. */
  get sums(): WorkSums {
    this.#sums ??= new WorkSums(
      this.placed.parts.map(({ part, at }, i) => ({
        terms: part.terms(),
        passOf: this.#passes[i]!,
        firstRegion: at.firstRegion,
      })),
      this.order.count,
      this.#wholes,
    );
    return this.#sums;
  }

  /** Pixels of a region's whole map. */
  wholeOf(region: number): number {
    return this.#wholes[region]!;
  }

  /** The pass of each of the instructions that the addon is given. */
  passesOfInstructions(): Int32Array {
    const { parts } = this.placed;
    const passes = new Int32Array(parts.reduce((sum, { part }) => sum + part.encoded.stepOf.length, 0));
    let at = 0;
    parts.forEach(({ part }, i) => {
      for (const step of part.encoded.stepOf) passes[at++] = this.#passes[i]![step]!;
    });
    return passes;
  }

  /**
   * The counts of all regions.
   * @param coverageOf how much of a block that follows its mask is computed
   */
  counts(coverageOf: (block: PlacedBlock) => Coverage): RegionCounts {
    const pixels = new Float64Array(this.#wholes.length);
    const squares = new Float64Array(this.#wholes.length);
    const expected = new Float64Array(this.#masks);
    for (const { part, at, adaptive } of this.placed.parts) {
      const coverages = adaptive.map(coverageOf);
      part.regions.forEach((region, i) => {
        const id = at.firstRegion + i;
        const coverage = coverages[region.owner]!;
        expected[at.masks[region.mask]!] = coverage.expected ? 1 : 0;
        const count = coveredAt(region.place, coverage) * region.pixels;
        pixels[id] = coverage.expected ? count : Math.round(count);
        squares[id] = squaresAt(region.place, adaptive[region.owner]!.block, coverage) ?? region.squares;
      });
    }
    return { pixels, squares, expected };
  }
}

/** Programs kept for one plan: by who decides the masks. */
type OfPlan = Map<string, CostedProgram>;

const ofFrozenPlans = new WeakMap<Plan, OfPlan>();
const ofPlanTexts = new WeakMap<Network, Map<string, OfPlan>>();

/** Plans of a network that are known by what they say. */
const KEPT_TEXTS = 32;
/** Programs of one plan's text that differ in what its rewrites answered. */
const KEPT_REWRITTEN = 32;

function ofPlan(network: Network, plan: Plan): OfPlan {
  if (Object.isFrozen(plan) && !hasRewrite(plan)) {
    const kept: OfPlan = ofFrozenPlans.get(plan) ?? new Map();
    ofFrozenPlans.set(plan, kept);
    return kept;
  }
  const texts = ofPlanTexts.get(network) ?? new Map<string, OfPlan>();
  ofPlanTexts.set(network, texts);
  const text = planText(plan.blocks);
  const kept: OfPlan = texts.get(text) ?? new Map();
  if (texts.size >= KEPT_TEXTS) texts.clear();
  texts.set(text, kept);
  return kept;
}

/**
 * The program of a plan, lowered once: other rates and masks change nothing in it.
 * @param maskers who decides; left out, a rule decides wherever the plan pools for it
 */
export function programOfPlan(
  network: Network,
  plan: Plan,
  shapes: NetworkShapes,
  maskers: readonly Masker[] | undefined,
): CostedProgram {
  const decisions = expectedDecisions(network, plan, maskers);
  const kept = ofPlan(network, plan);
  const make = () => costedProgram(network, plan, shapes, decisions);
  // What rewrites answer is known only once they are asked.
  const rewritten = hasRewrite(plan) ? make() : undefined;
  const key = `${shapes.values.get(network.input)} ${decisions.map(decisionKey).join(' ')} ${rewritten?.placed.rewritten ?? ''}`;
  let program = kept.get(key);
  if (!program) {
    if (rewritten && kept.size >= KEPT_REWRITTEN) kept.clear();
    program = rewritten ?? make();
    kept.set(key, program);
  }
  return program;
}

/** The program of a plan and its decisions, made afresh but for parts that others have too. */
export function costedProgram(
  network: Network,
  plan: Plan,
  shapes: NetworkShapes,
  decisions: readonly Decision[] = expectedDecisions(network, plan),
): CostedProgram {
  return new CostedProgram(
    new PassOrder(network, plan),
    partsOfPlan(network, plan, shapes, decisions),
    () =>
      lowerNetwork(
        network,
        plan,
        shapes.values.get(network.input)!,
        decisions,
        knownForeignShapes(network, shapes.values),
      ).program,
  );
}

/**
 * How each block's mask is expected to come about.
 * @param maskers who decides; left out, a rule decides wherever the plan pools for it
 */
export function expectedDecisions(network: Network, plan: Plan, maskers?: readonly Masker[]): Decision[] {
  return blocksOf(network).map((block) => expectedDecision(block, plan, maskers?.[block.index]));
}

/** Any rule takes the same time: what a masker decides by is not known yet. */
const byRule: Decision = { by: 'rule', decider: { kind: 'salient', rate: 0.5 } };

/** As the masker requires, otherwise by a rule if a pool exists: of the block itself or of the one before. */
function expectedDecision(block: Block, plan: Plan, masker: Masker | undefined): Decision {
  if (masker) return decidesByRule(masker, block) ? byRule : decisionOf(block, masker);
  const has = (index: number, primitive: Primitive) =>
    plan.blocks[index]?.groups.some(({ primitives }) => primitives.includes(primitive)) ?? false;
  return has(block.index, 'pool') || has(block.index - 1, 'next-pool') ? byRule : { by: 'given' };
}
