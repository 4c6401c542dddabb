import {
  type Block,
  type BlockPlan,
  blocksOf,
  getStrategy,
  type Network,
  type Plan,
  type Primitive,
  primitives,
  type Random,
  type Strategy,
} from '@fovea/engine';
import type { Group } from '@fovea/engine/backend';
import { firstSpatial } from '../../../engine/src/plan/strategies.js';
import { branchPrimitives } from '../../../engine/src/primitives/primitive.js';
import { type Case, inputChannels, isAdaptive, type RunCase } from './case.js';

const groupsOf = (text: string): Group[] =>
  text.split(' | ').map((group) => ({ primitives: group.split(' ') as Primitive[] }));

/** All that a block does in a single pass. */
const onePass: Strategy = {
  name: 'one pass',
  description: 'everything in one group',
  plan: ({ block, next, needsPool }) => ({
    mode: 'adaptive',
    groups: [
      {
        primitives: [
          ...(needsPool ? (['pool'] as const) : []),
          'mask',
          'index',
          ...(block.projection ? (['projection'] as const) : []),
          ...branchPrimitives(block),
          'add',
          ...(next ? (['next-pool'] as const) : []),
        ],
      },
    ],
  }),
};

/** Another of the built-in strategies in every block. */
const mixed: Strategy = {
  name: 'mixed',
  description: 'streamed, lasnet and unfused in turn',
  plan: (context) => getStrategy(['streamed', 'lasnet', 'unfused'][context.block.index % 3]!).plan(context),
};

const ours = [onePass, mixed];

/** Strategies by the names that cases use: those of the engine, and two as users write them. */
export const strategyNames = ['unfused', 'lasnet', 'streamed', 'auto', ...ours.map(({ name }) => name)];

/** A strategy that leaves the case's dense blocks dense, and no others. */
export function strategyOf(test: Case, name: string): Strategy {
  const strategy = ours.find((candidate) => candidate.name === name) ?? getStrategy(name);
  const dense = denseBlocks(test);
  if (dense.size === 0 && name !== 'auto') return strategy;
  return {
    name,
    description: strategy.description,
    plan: (context) => {
      if (dense.has(context.block.index)) return getStrategy('dense').plan(context);
      const plan = strategy.plan(context);
      // `auto` may prefer to compute everywhere, which is right but computes something else.
      return plan.mode === 'dense' ? getStrategy('streamed').plan(context) : plan;
    },
  };
}

/** Blocks that run without a mask though they could have one. */
export function denseBlocks(test: Case): Set<number> {
  return new Set(
    test.blocks.flatMap((block, index) =>
      block.dense && isAdaptive(block, inputChannels(test, index)) ? [index] : [],
    ),
  );
}

/** The plan that a run writes out block by block. */
export function planOf(test: Case, network: Network, texts: readonly string[]): Plan {
  return {
    network: network.name,
    strategy: 'written out',
    blocks: texts.map((text, block): BlockPlan => {
      const { granularity, dense } = test.blocks[block]!;
      const adaptive = isAdaptive(test.blocks[block]!, inputChannels(test, block)) && !dense;
      return {
        block,
        mode: adaptive ? 'adaptive' : 'dense',
        granularity: granularity || 1e6,
        excitation: test.excitation,
        groups: groupsOf(text),
      };
    }),
  };
}

/** Groups of each block as somebody might write them: any order and any cuts that the engine accepts. */
export function randomPlan(test: Case, network: Network, random: Random): string[] {
  const dense = denseBlocks(test);
  const coin = (probability: number) => random.next() < probability;
  const blocks = blocksOf(network);
  const followsMask = (index: number) => blocks[index]?.adaptive === true && !dense.has(index);
  let pooledAlready = false;
  return blocks.map((block, index) => {
    const pooledHere = pooledAlready;
    const between = [...test.skips, ...(test.joins ?? [])].some(({ after }) => after === index);
    const isFollowed = followsMask(index + 1) && !between;
    pooledAlready = isFollowed && coin(0.6);
    const optional: Partial<Record<Primitive, boolean>> = {
      pool: coin(pooledHere ? 0.05 : 0.95),
      gather: coin(0.5),
      scatter: coin(0.6),
      'next-pool': pooledAlready,
    };
    const sequence = randomOrder(block, followsMask(index) ? 'adaptive' : 'dense', optional, random);
    const cut = [0.15, 0.4, 0.7][random.below(3)]!;
    return sequence.map((name, i) => (i === 0 ? name : `${coin(cut) ? ' | ' : ' '}${name}`)).join('');
  });
}

/** A block's primitives in an order in which the engine takes them. */
function randomOrder(
  block: Block,
  mode: 'dense' | 'adaptive',
  optional: Partial<Record<Primitive, boolean>>,
  random: Random,
): Primitive[] {
  const all = (Object.keys(primitives) as Primitive[]).filter((name) => {
    const standing = primitives[name].standing(block, mode);
    return standing === 'required' || (standing === 'optional' && optional[name]);
  });
  const before = new Map(
    all.map((name) => [name, new Set(primitives[name].after(block).filter((other) => all.includes(other)))]),
  );
  const inOrder = (earlier: Primitive, later: Primitive) => {
    if (all.includes(earlier) && random.next() < 0.7) before.get(later)?.add(earlier);
  };
  // Most often the mask first, as it makes sense; otherwise conv1 may come before it, and so be dense.
  inOrder('index', 'conv1');
  inOrder('gather', `conv${firstSpatial(block) + 1}` as Primitive);
  const sequence: Primitive[] = [];
  while (sequence.length < all.length) {
    const ready = all.filter(
      (name) => !sequence.includes(name) && [...before.get(name)!].every((other) => sequence.includes(other)),
    );
    // The registry's order most often: where all is shuffled, little can be fused.
    sequence.push(ready[random.next() < 0.5 ? 0 : random.below(ready.length)]!);
  }
  return sequence;
}

/** Strategy or plan of a run, as options of the engine's. */
export function planOptions(test: Case, network: Network, { plan }: RunCase) {
  // A plan of its own says S and excitation itself.
  if (typeof plan !== 'string') return { plan: planOf(test, network, plan) };
  return {
    strategy: strategyOf(test, plan),
    granularity: test.blocks.map(({ granularity }) => granularity || Number.POSITIVE_INFINITY),
    excitation: test.excitation,
  };
}
