import {
  type BlockPlan,
  blocksOf,
  branchPrimitives,
  firstSpatial,
  type Group,
  getStrategy,
  type Network,
  type Plan,
  type Primitive,
  type Random,
  type Strategy,
} from '@fovea/engine';
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

/** Pairs of which the first comes before the second in any plan that the engine accepts. */
const ORDER: readonly (readonly [Primitive, Primitive])[] = [
  ['pool', 'mask'],
  ['mask', 'index'],
  ['index', 'gather'],
  ['index', 'conv2'],
  ['index', 'scatter'],
  ['projection', 'add'],
  ['scatter', 'add'],
  ['add', 'next-pool'],
];

/** Groups of each block as somebody might write them: any order and any cuts that the engine accepts. */
export function randomPlan(test: Case, network: Network, random: Random): string[] {
  const blocks = blocksOf(network);
  const dense = denseBlocks(test);
  const coin = (probability: number) => random.next() < probability;
  const poolsFor = (index: number) => {
    const block = blocks[index];
    const wanted = test.blocks[index];
    if (!block?.adaptive || dense.has(index) || !wanted) return false;
    return !test.skips.some(({ after }) => after === index - 1);
  };
  let pooledAlready = false;
  return blocks.map((block, index) => {
    const branch = branchPrimitives(block);
    const all: Primitive[] = [...branch, 'add'];
    if (block.projection) all.push('projection');
    if (block.adaptive && !dense.has(index)) {
      all.push('mask', 'index');
      if (!pooledAlready && coin(0.95)) all.push('pool');
      if (coin(0.5)) all.push('gather');
      if (coin(0.6)) all.push('scatter');
    }
    pooledAlready = poolsFor(index + 1) && coin(0.6);
    if (pooledAlready) all.push('next-pool');
    const before = new Map(all.map((primitive) => [primitive, new Set<Primitive>()]));
    const inOrder = (a: Primitive, b: Primitive) => {
      if (before.has(a)) before.get(b)?.add(a);
    };
    for (const [a, b] of ORDER) inOrder(a, b);
    branch.forEach((primitive, i) => {
      if (i > 0) inOrder(branch[i - 1]!, primitive);
    });
    const last = branch[branch.length - 1]!;
    inOrder(last, 'scatter');
    inOrder(last, 'add');
    // Most often the mask first, as it makes sense; otherwise conv1 may come before it, and so be dense.
    if (coin(0.7)) inOrder('index', 'conv1');
    const spatial = `conv${firstSpatial(block) + 1}` as Primitive;
    inOrder('gather', coin(0.7) && branch.includes(spatial) ? spatial : last);
    const sequence: Primitive[] = [];
    while (sequence.length < all.length) {
      const ready = all.filter(
        (primitive) =>
          !sequence.includes(primitive) &&
          [...before.get(primitive)!].every((other) => sequence.includes(other)),
      );
      // The order of `all` most often: orders that are shuffled throughout fuse little.
      sequence.push(ready[coin(0.5) ? 0 : random.below(ready.length)]!);
    }
    const cut = [0.15, 0.4, 0.7][random.below(3)]!;
    return sequence
      .map((primitive, i) => (i === 0 ? primitive : `${coin(cut) ? ' | ' : ' '}${primitive}`))
      .join('');
  });
}

/** Strategy or plan of a run, as options of the engine's. */
export function planOptions(test: Case, network: Network, { plan }: RunCase) {
  return typeof plan === 'string'
    ? { strategy: strategyOf(test, plan) }
    : { plan: planOf(test, network, plan) };
}
