import {
  type BlockPlan,
  blocksOf,
  type Device,
  getDevice,
  getStrategy,
  makePlan,
  type Network,
  type Plan,
  predict,
  primitives,
  programText,
  Random,
  registerStrategy,
  run,
  type Strategy,
} from '@fovea/engine';
import { getBackend, registerBackend } from '@fovea/engine/backend';
import { searchGranularity } from '@fovea/engine/predict';
import { fitMaskers } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { LONGEST_BRANCH } from '../../../engine/src/network/longest-branch.js';
import { checkBlockPlan } from '../../../engine/src/plan/check-plan.js';
import { parseGranularity, resolveGranularity } from '../../../engine/src/plan/granularity.js';
import { randomConvolution, randomImages, smallNetwork } from '../support/small-network.js';

const network = smallNetwork();
const passes = (plan: BlockPlan) => plan.groups.map((group) => group.primitives.join('+'));

describe('a group of a plan', () => {
  const withGroup = (extra: object) => {
    const [block] = makePlan(network).blocks;
    return { ...block!, groups: block!.groups.map((group) => ({ ...group, ...extra })) };
  };

  it.each([
    [{ tile: 8 }, /a group with "tile"; primitives and bandPixels are accepted/],
    [{ bandPixels: 0 }, /bandPixels 0; an integer from 1/],
    [{ bandPixels: 1.5 }, /bandPixels 1.5/],
    [{ bandPixels: 2 ** 31 }, /bandPixels 2147483648/],
  ])('is refused with what nobody would follow: %j', (extra, message) => {
    expect(() => checkBlockPlan(withGroup(extra), blocksOf(network)[0]!)).toThrow(message);
  });

  it('may say how large its bands are, and the program says so', () => {
    const plan = makePlan(network);
    const blocks = plan.blocks.map((block) => ({
      ...block,
      groups: block.groups.map((group) => ({ ...group, bandPixels: 24 })),
    }));
    expect(programText(network, { plan: { ...plan, blocks } })).toContain('stream in bands of 24 pixels {');
    expect(programText(network, { plan })).not.toContain('bands');
  });
});

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

describe('a branch', () => {
  const random = new Random(1);
  /** One block of so many convolutions. */
  const ofLength = (length: number): Network => {
    const plain = smallNetwork({ strides: [1] });
    const branch = Array.from({ length }, (_, i) => randomConvolution(random, `conv${i}`, 12, 12));
    const nodes = plain.nodes.map((node) =>
      node.kind === 'block' ? { ...node, block: { ...node.block, branch } } : node,
    );
    return { ...plain, nodes };
  };
  const names = Array.from({ length: LONGEST_BRANCH }, (_, i) => `conv${i + 1}`);

  it('as long as may be has a primitive for each convolution, and none is without', () => {
    expect(Object.keys(primitives).filter((name) => name.startsWith('conv'))).toEqual(names);
    const [block] = makePlan(ofLength(LONGEST_BRANCH), { strategy: 'streamed' }).blocks;
    expect(passes(block!).at(-1)).toBe([...names, 'scatter', 'add'].join('+'));
    const text = programText(ofLength(LONGEST_BRANCH), { strategy: 'streamed' });
    const stream = text.match(/stream \{.*\n((?:.*convolve conv.*\n)+)/)?.[1];
    expect(stream?.trim().split('\n')).toHaveLength(LONGEST_BRANCH);
  });

  it.each([0, LONGEST_BRANCH + 1])('of %i convolutions is refused wherever it is used', async (length) => {
    const network = ofLength(length);
    const refused = {
      code: 'unsupported',
      message: `"block0" has a branch of ${length} convolutions; 1 to ${LONGEST_BRANCH} are accepted`,
    };
    const question = { device: 'cpu-avx2' } as const;
    for (const use of [() => makePlan(network), () => predict(network, question), () => programText(network)])
      expect(use).toThrow(expect.objectContaining(refused));
    await expect(run(network, randomImages(network))).rejects.toMatchObject(refused);
    await expect(fitMaskers(network, randomImages(network))).rejects.toMatchObject(refused);
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
  ])('that %s is refused, naming what is wrong and the block', (_, primitives, problem) => {
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

describe('what a strategy answers', () => {
  const streamed = getStrategy('streamed');
  type Context = Parameters<Strategy['plan']>[0];
  it.each<[string, (context: Context) => unknown, RegExp]>([
    [
      'nothing',
      () => undefined,
      /strategy "own" answered undefined for block 0 .*; { mode, groups } is accepted/,
    ],
    ['a promise', async (context) => streamed.plan(context), /strategy "own" answered a promise/],
    ['no groups', () => ({ mode: 'adaptive' }), /groups that each list their primitives/],
    ['groups with holes', () => ({ mode: 'adaptive', groups: new Array(2) }), /groups that each list/],
    ['a field that nobody reads', (c) => ({ ...streamed.plan(c), rewrites: [] }), /a field "rewrites"/],
    ['S as text', (c) => ({ ...streamed.plan(c), granularity: '4' }), /granularity S = "4"/],
    ['a reason that is no text', (c) => ({ ...streamed.plan(c), reason: 5n }), /reason 5; a sentence/],
    [
      'bands in a list',
      (c) => ({ mode: 'adaptive', groups: streamed.plan(c).groups.map((g) => ({ ...g, bandPixels: [4] })) }),
      /bandPixels a list/,
    ],
    [
      'primitives in one text',
      (c) => ({
        mode: 'adaptive',
        groups: streamed.plan(c).groups.map((group) => ({ primitives: [group.primitives.join(',')] })),
      }),
      /unknown primitive "\S*conv1,gather/,
    ],
  ])('is refused when it is %s, also after a sound plan that reads the same', async (_, plan, message) => {
    const own = smallNetwork();
    const strategy = { name: 'own', description: '', plan } as unknown as Strategy;
    makePlan(own, { strategy: 'streamed', granularity: 4 });
    makePlan(own, {
      strategy: {
        ...streamed,
        plan: (c) => ({
          ...streamed.plan(c),
          groups: streamed.plan(c).groups.map((group) => ({ ...group, bandPixels: 4 })),
        }),
      },
      granularity: 4,
    });
    expect(() => makePlan(own, { strategy, granularity: 4 })).toThrow(message);
    await expect(run(own, randomImages(own), { strategy, granularity: 4 })).rejects.toThrow(message);
    expect(() => predict(own, { device: 'cpu-avx2', strategy, granularity: 4 })).toThrow(message);
  });
});

describe('a strategy that is none', () => {
  it.each<[string, unknown, RegExp]>([
    ['null', null, /strategy null: the name of a strategy, or/],
    ['an object without a plan', { name: 'own' }, /strategy an object without a function "plan"/],
    ['an object without a name', { plan: () => undefined }, /strategy an object without a name/],
    ['a number', 5, /strategy 5/],
  ])('is refused when it is %s', async (_, strategy, message) => {
    const given = { strategy: strategy as Strategy };
    expect(() => makePlan(network, given)).toThrow(message);
    expect(() => programText(network, given)).toThrow(message);
    expect(() => predict(network, { device: 'cpu-avx2', ...given })).toThrow(message);
    expect(() => searchGranularity(network, 'cpu-avx2', { strategies: [given.strategy] })).toThrow(message);
    expect(() => registerStrategy(given.strategy)).toThrow(message);
    await expect(run(network, randomImages(network), given)).rejects.toThrow(message);
  });
});

it('keeps the names of the engine’s own strategies and backends, and gives others away again', () => {
  const streamed = getStrategy('streamed');
  for (const name of ['dense', 'auto']) {
    expect(() => registerStrategy({ ...streamed, name })).toThrow(
      `strategy "${name}" is one of the engine's own; a name besides dense, unfused, lasnet, streamed, auto is accepted`,
    );
  }
  const reference = getBackend('reference');
  expect(() => registerBackend({ ...reference })).toThrow(/^backend "reference" is one of the engine's own/);
  const second = { ...streamed, name: 'registered twice' };
  registerStrategy({ ...second });
  registerStrategy(second);
  registerStrategy(streamed);
  registerBackend(reference);
  expect(getStrategy('registered twice')).toBe(second);
});

describe('a plan', () => {
  it('is plain data: it survives JSON, also with one cell for the whole map', () => {
    const plan = makePlan(network, { granularity: [Number.POSITIVE_INFINITY, 2] });
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
    expect(plan.blocks[0]!.granularity).toBe(13);
  });
});

describe('a whole plan that somebody hands over', () => {
  const plan = makePlan(network, { strategy: 'unfused', rate: 0.5 });
  const images = randomImages(network);
  const changed = (block: number, fields: object) =>
    plan.blocks.map((entry, i) => (i === block ? { ...entry, ...fields } : entry));

  it.each<[string, unknown, string]>([
    ['no blocks', undefined, 'a plan without a list of blocks'],
    ['too few blocks', plan.blocks.slice(1), 'plan of 3 blocks'],
    ['an index that no block has', changed(3, { block: 17 }), 'plan entry 3 is for block 17'],
    ['a block twice', changed(3, { block: 2 }), 'plan entry 3 is for block 2'],
    ['blocks in another order', [...plan.blocks].reverse(), 'plan entry 0 is for block 3'],
    ['an empty entry', changed(1, { block: undefined }), 'plan entry 1 is for block undefined'],
    ['no groups', changed(1, { groups: undefined }), 'block 1 (block1): groups'],
    ['a group without primitives', changed(1, { groups: [{}] }), 'block 1 (block1): groups'],
    ['another mode', changed(1, { mode: 'sparse' }), 'mode "sparse"'],
    ['half a pixel as S', changed(1, { granularity: 2.5 }), 'granularity S = 2.5'],
    ['another way to pool', changed(1, { excitation: 'fast' }), 'excitation "fast"; exact or active'],
  ])('with %s is refused by run and predict in the same words', async (_, blocks, message) => {
    const wrong = { plan: { ...plan, blocks } as Plan };
    const refusal = expect.objectContaining({
      code: 'bad-argument',
      message: expect.stringContaining(message),
    });
    await expect(run(network, images, wrong)).rejects.toEqual(refusal);
    let thrown: unknown;
    try {
      predict(network, { ...wrong, device: 'v100' });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toEqual(refusal);
  });

  it('is taken as it stands when it fits', async () => {
    const { profile } = await run(network, images, { plan });
    const predicted = predict(network, { plan, device: 'v100', batch: 1 });
    expect(predicted.ops.map(({ name }) => name)).toEqual(profile.ops.map(({ name }) => name));
  });
});

describe('rates', () => {
  const few = { rate: [0.25, 0.75] };
  const message = '2 rates given; 1 or 4 (one per block) are accepted';

  it('for some of the blocks only are refused wherever they can be given', async () => {
    expect(() => predict(network, { ...few, device: 'v100' })).toThrow(message);
    expect(() => predict(network, { ...few, device: 'v100', model: 'published' })).toThrow(message);
    expect(() => searchGranularity(network, 'v100', few)).toThrow(message);
    expect(() => makePlan(network, few)).toThrow(message);
    await expect(fitMaskers(network, randomImages(network), few)).rejects.toThrow(message);
  });

  it('are one for all, alone or in a list, or one for each block', () => {
    const rates = (rate: number | readonly number[]) =>
      predict(network, { rate, device: 'v100' }).blocks.map((block) => block.rate);
    expect(rates([0.25])).toEqual(rates(0.25));
    expect(rates([0.1, 0.2, 0.3, 0.4])).toEqual([0.1, 0.2, 0.3, 0.4]);
  });
});

describe('another way of pooling than there is', () => {
  it('is refused wherever it can be asked for', async () => {
    const excitation = 'fast' as 'exact';
    const message = 'excitation "fast"; exact or active is accepted';
    await expect(run(network, randomImages(network), { excitation })).rejects.toThrow(message);
    expect(() => predict(network, { excitation, device: 'v100' })).toThrow(message);
    expect(() => searchGranularity(network, 'v100', { excitation })).toThrow(message);
  });
});

describe('a device that a plan is made for', () => {
  it('is an object, and the message for a name says how to come by it', () => {
    const device = 'v100' as unknown as Device;
    for (const strategy of ['auto', 'streamed']) {
      expect(() => makePlan(network, { strategy, device })).toThrow(
        `device "v100": a device object is accepted here, such as getDevice('v100') returns`,
      );
    }
    expect(makePlan(network, { strategy: 'auto', device: getDevice('v100') }).strategy).toBe('auto');
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
