import {
  customMasker,
  makePlan,
  type Plan,
  type Primitive,
  type Profile,
  run,
  type Strategy,
} from '@fovea/engine';
import { nativeBackend } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { streamed, unfused } from '../../../../engine/src/plan/strategies.js';
import { branchPrimitives } from '../../../../engine/src/primitives/primitive.js';
import {
  randomImages,
  relativeError,
  type SmallNetworkOptions,
  smallNetwork,
} from '../../support/small-network.js';

const native = it.skipIf(nativeBackend.unavailable !== undefined);

/** Passes that end in `next-pool` where there is a block to pool for. */
const grouped = (name: string, passes: (branch: readonly Primitive[]) => Primitive[][]): Strategy => ({
  name,
  description: name,
  plan: ({ block, next, needsPool }) => {
    const branch = branchPrimitives(block);
    const tail: Primitive[] = next ? ['next-pool'] : [];
    const groups = passes(branch).map((primitives) => [...primitives]);
    groups[groups.length - 1]!.push(...tail);
    const head: Primitive[][] = [
      ...(needsPool ? [['pool'] as Primitive[]] : []),
      ['mask'],
      ['index'],
      ...(block.projection ? [['projection'] as Primitive[]] : []),
    ];
    return { mode: 'adaptive', groups: [...head, ...groups].map((primitives) => ({ primitives })) };
  },
});

const strategies: readonly Strategy[] = [
  streamed,
  grouped('pool behind the last convolution', (branch) => [
    ...branch.slice(0, -1).map((primitive) => [primitive]),
    [...branch.slice(-1), 'scatter', 'add'],
  ]),
  grouped('pool behind scatter and add', (branch) => [
    ...branch.map((primitive) => [primitive]),
    ['scatter', 'add'],
  ]),
  grouped('pool behind add', (branch) => [...branch.map((primitive) => [primitive]), ['scatter'], ['add']]),
  grouped('pool by itself', (branch) => [[...branch, 'scatter', 'add'], []]),
];

/** The same plan with every block pooling its own input in a pass of its own. */
function separated(plan: Plan): Plan {
  return {
    ...plan,
    blocks: plan.blocks.map((block) => {
      const groups = block.groups
        .map(({ primitives }) => ({
          primitives: primitives.filter((primitive) => primitive !== 'next-pool' && primitive !== 'pool'),
        }))
        .filter(({ primitives }) => primitives.length > 0);
      return { ...block, groups: [{ primitives: ['pool' as const] }, ...groups] };
    }),
  };
}

/** Runs a plan with maskers that keep what they are shown. */
async function watch(options: SmallNetworkOptions, plan: Plan, threads: number, backend = 'native') {
  const network = smallNetwork(options);
  const shown: number[][] = [];
  const masker = customMasker(({ pooled, shape, batch, rows, columns }) => {
    shown.push([...pooled]);
    // The brighter half of the cells.
    const first = Array.from(
      { length: batch * rows * columns },
      (_, cell) => pooled[cell * shape.inChannels]!,
    );
    const middle = [...first].sort((x, y) => x - y)[first.length >> 1]!;
    return first.map((value) => value - middle);
  });
  const { output, masks, profile } = await run(network, randomImages(network, 2), {
    backend,
    plan,
    threads,
    masker,
  });
  return { output, shown, cells: masks.map((mask) => [...mask.cells]), profile };
}

const notes = ({ ops }: Profile) => ops.flatMap(({ note }) => note ?? []);

describe('the pool for the next block, taken behind the pass that writes the map', () => {
  const networks: (SmallNetworkOptions & { name: string })[] = [
    { name: 'bottleneck', height: 15, mapWidth: 18, strides: [1, 1, 1, 2, 1] },
    { name: 'bottleneck with excitation', height: 15, mapWidth: 18, strides: [1, 1, 2, 1], excite: true },
    { name: 'basic', kind: 'basic', height: 13, mapWidth: 11, strides: [1, 1, 2, 1] },
    { name: 'inverted', kind: 'inverted', height: 16, mapWidth: 16, strides: [1, 1, 1] },
  ];
  for (const { name, ...options } of networks) {
    for (const strategy of strategies) {
      native(`shows maskers the very values of a separate pass: ${name}, ${strategy.name}`, async () => {
        for (const granularity of [1, 2, 4, 7]) {
          for (const threads of [1, 3]) {
            const plan = makePlan(smallNetwork(options), { strategy, granularity });
            const fused = await watch(options, plan, threads);
            const apart = await watch(options, separated(plan), threads);
            expect(fused.shown, `S ${granularity}, ${threads} threads`).toEqual(apart.shown);
            expect(fused.cells).toEqual(apart.cells);
            expect(fused.output.data).toEqual(apart.output.data);
            expect(notes(fused.profile).filter((note) => note.includes('pool'))).toEqual([]);
          }
        }
      });
    }
  }

  native('pools only what has changed in an identity block whose successor has the same grid', async () => {
    const options = { height: 16, mapWidth: 16, strides: [1, 1, 1] };
    const plan = makePlan(smallNetwork(options), { strategy: streamed, granularity: 4 });
    const { profile, cells } = await watch(options, plan, 1);
    const bytesOf = (block: number) =>
      profile.ops.find((op) => op.block === block && op.name.includes('next-pool'))!.bytes;
    const rate = cells[1]!.filter((cell) => cell === 1).length / cells[1]!.length;
    expect(rate).toBeLessThan(0.9);
    expect(bytesOf(1)).toBeLessThan(bytesOf(0));
  });
});

describe('the pool in one pass with conv1', () => {
  const lasnetLike: Strategy = {
    name: 'pool and conv1',
    description: 'pool, mask and conv1 in one pass',
    plan: (context) => {
      const { groups } = unfused.plan(context);
      const rest = groups.filter(({ primitives: [first] }) => !['pool', 'mask', 'conv1'].includes(first!));
      return { mode: 'adaptive', groups: [{ primitives: ['pool', 'mask', 'conv1'] }, ...rest] };
    },
  };
  for (const kind of ['bottleneck', 'basic'] as const) {
    native(`decides as the reference does, and says nothing of passes apart: ${kind}`, async () => {
      for (const granularity of [1, 3, 4]) {
        for (const threads of [1, 2]) {
          const options: SmallNetworkOptions = { kind, height: 15, mapWidth: 18, strides: [1, 1, 2, 1] };
          const plan = makePlan(smallNetwork(options), { strategy: lasnetLike, granularity });
          const actual = await watch(options, plan, threads);
          const expected = await watch(options, plan, 1, 'reference');
          expect(actual.cells).toEqual(expected.cells);
          expect(relativeError(actual.output.data, expected.output.data)).toBeLessThan(1e-4);
          expect(notes(actual.profile).filter((note) => note.includes('pool'))).toEqual([]);
        }
      }
    });
  }
});
