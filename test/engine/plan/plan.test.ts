import {
  type BlockPlan,
  blocksOf,
  checkBlockPlan,
  getStrategy,
  makePlan,
  parseGranularity,
  resolveGranularity,
  type Strategy,
} from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { smallNetwork } from '../support/small-network.js';

const network = smallNetwork();
const passes = (plan: BlockPlan) => plan.groups.map((group) => group.primitives.join('+'));

describe('built-in strategies', () => {
  it('unfused gives every primitive its own pass', () => {
    expect(passes(makePlan(network, { strategy: 'unfused' }).blocks[1]!)).toEqual(
      'pool mask index conv1 gather conv2 conv3 scatter add'.split(' '),
    );
  });

  it('lasnet fuses masker + conv1, gather + conv2 and scatter + add', () => {
    expect(passes(makePlan(network, { strategy: 'lasnet' }).blocks[0]!)).toEqual([
      'pool+mask+conv1',
      'index',
      'projection',
      'gather+conv2',
      'conv3',
      'scatter+add',
    ]);
  });

  it('streamed runs the branch in one pass and pools for the next block on the way out', () => {
    const plan = makePlan(network, { strategy: 'streamed' });
    expect(passes(plan.blocks[1]!)).toEqual([
      'mask',
      'index',
      'conv1+gather+conv2+conv3+scatter+add+next-pool',
    ]);
    expect(passes(plan.blocks[3]!).at(-1)).toBe('conv1+gather+conv2+conv3+scatter+add');
  });

  it('streamed is cut in two by squeeze-and-excitation, which needs the whole map', () => {
    const excited = makePlan(smallNetwork({ excite: true }), { strategy: 'streamed' });
    expect(passes(excited.blocks[3]!)).toEqual([
      'mask',
      'index',
      'conv1+gather+conv2',
      'excite',
      'conv3+scatter+add',
    ]);
  });

  it('run a block without a shortcut densely', () => {
    const inverted = makePlan(smallNetwork({ kind: 'inverted', strides: [2, 1] }), { strategy: 'unfused' });
    expect(inverted.blocks.map((block) => block.mode)).toEqual(['dense', 'adaptive']);
  });

  it('are found by name, and an unknown name lists the known ones', () => {
    expect(getStrategy('lasnet').name).toBe('lasnet');
    expect(() => getStrategy('fast')).toThrow(
      'unknown strategy "fast"; known are dense, unfused, lasnet, streamed',
    );
  });
});

describe('a strategy of the user’s own', () => {
  const halves: Strategy = {
    name: 'halves',
    description: 'sparse below one half, dense above',
    plan: (context) => getStrategy(context.statistics.dilatedRate < 0.5 ? 'streamed' : 'dense').plan(context),
  };

  it('decides by the mask statistics it is given', () => {
    const modes = (rate: number) =>
      makePlan(network, { strategy: halves, rate, granularity: 4 }).blocks.map(({ mode }) => mode);
    expect(new Set(modes(0.05))).toEqual(new Set(['adaptive']));
    expect(new Set(modes(0.9))).toEqual(new Set(['dense']));
  });

  it.each([
    ['leaves out a convolution', ['mask', 'index', 'conv1', 'conv2', 'add'], '"conv3" is missing'],
    ['repeats one', ['mask', 'index', 'conv1', 'conv1', 'conv2', 'conv3', 'add'], '"conv1" appears twice'],
    [
      'adds before computing',
      ['mask', 'index', 'add', 'conv1', 'conv2', 'conv3'],
      '"conv3" must come before "add"',
    ],
    [
      'invents a primitive',
      ['mask', 'index', 'fly', 'conv1', 'conv2', 'conv3', 'add'],
      'unknown primitive "fly"',
    ],
  ])('that %s is told what is wrong, with the block', (_, primitives, problem) => {
    const plan = {
      block: 1,
      mode: 'adaptive',
      granularity: 1,
      excitation: 'exact',
      groups: [{ primitives }],
    };
    const check = () => checkBlockPlan(plan as unknown as BlockPlan, blocksOf(network)[1]!);
    expect(check).toThrow(problem);
    expect(check).toThrow('block 1 (block1)');
  });
});

describe('a plan', () => {
  it('is plain data: it survives JSON, also with one cell for the whole map', () => {
    const plan = makePlan(network, { granularity: [Number.POSITIVE_INFINITY, 2] });
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
    expect(plan.blocks[0]!.granularity).toBe(13);
  });
});

describe('granularity', () => {
  it('is given once, per stage, or per block', () => {
    expect(resolveGranularity(network, 4)).toEqual([4, 4, 4, 4]);
    expect(resolveGranularity(network, [4, 2])).toEqual([4, 4, 2, 2]);
    expect(resolveGranularity(network, [1, 2, 3, 4])).toEqual([1, 2, 3, 4]);
    expect(resolveGranularity(network)).toEqual([2, 2, 2, 2]);
  });

  it('that fits neither stages nor blocks is refused with the lengths that would do', () => {
    expect(() => resolveGranularity(network, [1, 2, 3])).toThrow('1, 2 (one per stage) or 4 (one per block)');
    expect(() => resolveGranularity(network, [0, 2])).toThrow('granularity S = 0');
  });

  it('is read from text', () => {
    expect(parseGranularity('8,4,whole')).toEqual([8, 4, Number.POSITIVE_INFINITY]);
    expect(() => parseGranularity('8,x')).toThrow('granularity "x" in "8,x"');
  });
});
