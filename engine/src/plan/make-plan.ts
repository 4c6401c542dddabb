import { expectArgument, expectOptions, type Kinds } from '../arguments/expect.js';
import {
  aMask,
  aMasker,
  aNetwork,
  aNumber,
  aNumberOrNumbers,
  anObject,
  later,
  listOf,
  oneOf,
} from '../arguments/kinds.js';
import { said } from '../arguments/said.js';
import { FoveaError } from '../errors.js';
import { checkExcitation, type Excitation } from '../mask/excitation.js';
import { expectedDilatedRate } from '../mask/expected.js';
import type { Mask, Masker } from '../mask/mask.js';
import { assumedRates } from '../mask/rate.js';
import { maskStatistics } from '../mask/regions.js';
import { shapesOf } from '../network/kept-shapes.js';
import { type Block, type BlockNode, blocksOf, type Network } from '../network/network.js';
import type { BlockShape } from '../network/shapes.js';
import { weightBytesOf } from '../network/weight-bytes.js';
import { checkThreads } from '../threads.js';
import { checkAnswer, checkBlockPlan } from './check-plan.js';
import type { Device } from './device.js';
import { type Granularity, resolveGranularity } from './granularity.js';
import type { BlockPlan, Plan } from './plan.js';
import { dense, resolveStrategy } from './strategies.js';
import type { MaskStatistics, Strategy, StrategyName } from './strategy.js';

/** What a plan is made from; everything has a sensible default. */
export interface PlanOptions {
  /** A strategy, or the name of one that is registered; `streamed` when left out. */
  readonly strategy?: StrategyName | Strategy;
  readonly granularity?: Granularity;
  readonly batch?: number;
  readonly threads?: number;
  /** Input resolution; the network's nominal one when left out. */
  readonly height?: number;
  readonly width?: number;
  readonly device?: Device;
  /** What will compute, where no device is named; a processor when left out. */
  readonly target?: Device['kind'];
  /** Assumed activation rate, uniform or per block, 0…1; left out, what the maskers keep to, or 0.5. */
  readonly rate?: number | readonly number[];
  /** Actual masks, by block, which then take the place of `rate`; they stand for any number of images. */
  readonly masks?: readonly Mask[];
  /** One masker per block: those that do not read the pooled input save its pass. */
  readonly maskers?: readonly Masker[];
  readonly excitation?: Excitation;
}

/** What each of them is, as far as it can be said without the network. */
export const planOptionKinds: Kinds<PlanOptions> = {
  strategy: later,
  granularity: aNumberOrNumbers,
  batch: aNumber,
  threads: aNumber,
  height: aNumber,
  width: aNumber,
  device: later,
  target: oneOf(['cpu', 'gpu']),
  rate: aNumberOrNumbers,
  masks: listOf(aMask, 'masks'),
  maskers: listOf(aMasker, 'maskers'),
  excitation: oneOf(['exact', 'active']),
};

/**
 * Asks a strategy for the plan of every block and checks it.
 *
 * @throws FoveaError `bad-argument` or `unknown-name` for options out of range; `bad-argument` when the
 *   strategy leaves out a primitive that the block needs, orders them impossibly, or answers with something else than a plan
 *
 * @example
 * ```ts
 * import { builtNetwork, makePlan } from '@fovea/engine';
 *
 * const plan = makePlan(builtNetwork('resnet50'), { strategy: 'lasnet', granularity: [4, 4, 2, 1], rate: 0.5 });
 * console.log(plan.blocks[0]!.groups.map(({ primitives }) => primitives.join(' + ')));
 * ```
 */
export function makePlan(network: Network, options: PlanOptions = {}): Plan {
  expectArgument(network, aNetwork, 'makePlan: network');
  expectOptions(options, planOptionKinds, 'makePlan');
  const strategy = resolveStrategy(options.strategy);
  checkIsDevice(options.device);
  if (options.threads !== undefined) checkThreads(options.threads);
  const granularity = resolveGranularity(network, options.granularity);
  const excitation = checkExcitation(options.excitation ?? 'exact', network.name);
  const { batch = 1, height, width } = options;
  const shapes = shapesOf(network, { batch, height, width });
  const blocks = blocksOf(network);
  const rates = assumedRates(options.rate, options.maskers, blocks.length);
  const followers = followingBlocks(network);
  const plans: BlockPlan[] = [];
  for (const block of blocks) {
    const shape = shapes.blocks[block.index]!;
    // Finite, so that a plan survives JSON: one cell as large as the map is the whole map.
    const S = Math.min(granularity[block.index]!, Math.max(shape.outHeight, shape.outWidth));
    const needsPool = options.maskers?.[block.index]?.needsPool ?? true;
    const next = followers.get(block.index);
    const nextNeedsPool = next !== undefined && (options.maskers?.[next.index]?.needsPool ?? true);
    const chosen = block.adaptive ? strategy : dense;
    // Given masks are checked in any case; what to expect of others is worked out only for a strategy that asks.
    let statistics = givenStatistics(block, shape, options.masks);
    const wished = chosen.plan({
      block,
      shape,
      granularity: S,
      excitation,
      get statistics() {
        statistics ??= expectedStatistics(block, shape, S, rates[block.index]!);
        return statistics;
      },
      batch,
      threads: options.threads ?? 1,
      weightBytes: weightBytesOf(network),
      ...(options.device ? { device: options.device } : {}),
      ...(options.target ? { target: options.target } : {}),
      ...(next?.adaptive && nextNeedsPool ? { next } : {}),
      needsPool,
    });
    plans.push({ granularity: S, excitation, ...checkAnswer(wished, strategy, block), block: block.index });
  }
  return {
    network: network.name,
    strategy: strategy.name,
    blocks: withoutRepeatedPools(plans, followers).map((plan) => checkBlockPlan(plan, blocks[plan.block]!)),
  };
}

/** `predict` takes names as well, so that they are easily given here too. */
function checkIsDevice(device: unknown): void {
  if (device === undefined || anObject.holds(device)) return;
  const how = typeof device === 'string' ? `, such as getDevice('${device}') returns` : '';
  throw new FoveaError('bad-argument', `device ${said(device)}: a device object is accepted here${how}`);
}

/** A block's immediate successor, where the next node is a block that reads exactly its output. */
function followingBlocks(network: Network) {
  const followers = new Map<number, BlockNode['block']>();
  network.nodes.forEach((node, i) => {
    const next = network.nodes[i + 1];
    if (node.kind === 'block' && next?.kind === 'block' && next.inputs[0] === node.output) {
      followers.set(node.block.index, next.block);
    }
  });
  return followers;
}

/** A block whose pool its predecessor has taken already does not pool again; one that is dense needs none. */
function withoutRepeatedPools(
  plans: readonly BlockPlan[],
  followers: ReturnType<typeof followingBlocks>,
): BlockPlan[] {
  const provided = new Set<number>();
  const keeps = (plan: BlockPlan, primitive: string) =>
    plan.groups.some((group) => group.primitives.includes(primitive as never));
  const without = (plan: BlockPlan, primitive: string): BlockPlan => ({
    ...plan,
    groups: plan.groups
      .map((group) => ({ ...group, primitives: group.primitives.filter((other) => other !== primitive) }))
      .filter((group) => group.primitives.length > 0),
  });
  return plans.map((plan) => {
    let result = provided.has(plan.block) ? without(plan, 'pool') : plan;
    const next = followers.get(plan.block);
    if (keeps(result, 'next-pool')) {
      const nextPlan = next && plans[next.index];
      if (nextPlan && nextPlan.mode === 'adaptive' && keeps(nextPlan, 'pool')) provided.add(next.index);
      else result = without(result, 'next-pool');
    }
    return result;
  });
}

function givenStatistics(
  block: Block,
  shape: BlockShape,
  masks: readonly Mask[] | undefined,
): MaskStatistics | undefined {
  const mask = masks?.find((candidate) => candidate.block === block.index);
  return mask && maskStatistics(mask, block, shape);
}

function expectedStatistics(
  block: Block,
  shape: BlockShape,
  granularity: number,
  rate: number,
): MaskStatistics {
  return { rate, dilatedRate: expectedDilatedRate(block, shape, granularity, rate) };
}
