import { PassOrder } from '../../backends/pass-order.js';
import type { Masker } from '../../mask/mask.js';
import { decidesByRule } from '../../mask/rule.js';
import { type Block, blocksOf, type Network } from '../../network/network.js';
import type { NetworkShapes } from '../../network/walk.js';
import { type LoweredNetwork, lowerNetwork } from '../../plan/lower.js';
import { hasRewrite, type Plan, type Primitive, planText } from '../../plan/plan.js';
import { type Decision, decisionKey, decisionOf } from '../../primitives/decision.js';
import type { AdaptiveBlock } from '../../primitives/network-lowering.js';
import type { ProgramRegion } from '../../program/program.js';
import { WorkSums, workOf } from '../../program/work.js';
import type { Shape } from '../../tensor.js';
import { type Coverage, wholeSquares } from '../coverage.js';

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
  readonly order: PassOrder;
  readonly sums: WorkSums;
  /** The convolution of its block whose output each region belongs to, by region. */
  readonly #places: readonly { readonly adaptive: AdaptiveBlock; readonly layer: Place }[];

  constructor(
    readonly network: Network,
    readonly plan: Plan,
    readonly lowered: LoweredNetwork,
  ) {
    const { program, adaptive } = lowered;
    this.order = new PassOrder(network, plan);
    this.sums = new WorkSums(
      program.steps.map(({ operations }) => operations.flatMap(workOf)),
      program.steps.map(({ owner }) => this.order.of(owner)),
      this.order.count,
      program.regions,
    );
    const owners = new Map([...adaptive.values()].map((owner) => [owner.mask, owner]));
    this.#places = program.regions.map((region) => {
      const owner = owners.get(region.mask)!;
      return { adaptive: owner, layer: layerOf(region, owner.block) };
    });
  }

  /**
   * The counts of all regions.
   * @param coverageOf how much of a block that follows its mask is computed
   */
  counts(coverageOf: (adaptive: AdaptiveBlock) => Coverage): RegionCounts {
    const { regions, masks } = this.lowered.program;
    const pixels = new Float64Array(regions.length);
    const squares = new Float64Array(regions.length);
    const expected = new Float64Array(masks.length);
    const known = new Map<AdaptiveBlock, Coverage>();
    for (const { id, pixels: whole, height, width, mask } of regions) {
      const { adaptive, layer } = this.#places[id]!;
      let coverage = known.get(adaptive);
      if (!coverage) {
        coverage = coverageOf(adaptive);
        known.set(adaptive, coverage);
      }
      expected[mask.id] = coverage.expected ? 1 : 0;
      const count = coveredAt(layer, coverage) * whole;
      pixels[id] = coverage.expected ? count : Math.round(count);
      squares[id] = squaresAt(layer, adaptive.block, coverage) ?? wholeSquares(mask.batch, { height, width });
    }
    return { pixels, squares, expected };
  }
}

/** What a region is part of: a convolution's output, what a spatial attention scales, or the block's output. */
type Place = number | 'attended' | 'active';

function layerOf({ reads }: ProgramRegion, { branch, attention }: Block): Place {
  if (!reads) return 'active';
  if (reads.convolution === attention?.spatial) return attention.after;
  const layer = branch.indexOf(reads.convolution) - 1;
  return attention?.spatial && layer === attention.after ? 'attended' : layer;
}

function coveredAt(place: Place, { rate, attended, branch }: Coverage): number {
  if (place === 'active') return rate;
  return place === 'attended' ? (attended ?? 1) : branch[place]!;
}

/** Squares are computed by convolutions, and a spatial attention reads behind them. */
function squaresAt(place: Place, { branch, attention }: Block, { squares }: Coverage): number | undefined {
  if (place === 'attended') return undefined;
  if (place !== 'active') return squares?.[place];
  const last = branch.length - 1;
  return attention?.spatial && attention.after === last ? undefined : squares?.[last];
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
  { values }: NetworkShapes,
  maskers: readonly Masker[] | undefined,
): CostedProgram {
  const input: Shape = values.get(network.input)!;
  const decisions = blocksOf(network).map((block) => expectedDecision(block, plan, maskers?.[block.index]));
  const kept = ofPlan(network, plan);
  const lower = () => {
    const foreignShapes = new Map<string, Shape>();
    for (const { kind, name, output } of network.nodes) {
      const known = values.get(output);
      if (kind === 'foreign' && known) foreignShapes.set(name, known);
    }
    return lowerNetwork(network, plan, input, decisions, foreignShapes);
  };
  // What rewrites answer is known only once they are asked.
  const rewritten = hasRewrite(plan) ? lower() : undefined;
  const key = `${input} ${decisions.map(decisionKey).join(' ')} ${rewritten?.rewritten ?? ''}`;
  let program = kept.get(key);
  if (!program) {
    if (rewritten && kept.size >= KEPT_REWRITTEN) kept.clear();
    program = new CostedProgram(network, plan, rewritten ?? lower());
    kept.set(key, program);
  }
  return program;
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
