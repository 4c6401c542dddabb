import {
  type Block,
  builtNetwork,
  getDevice,
  getStrategy,
  makePlan,
  type Network,
  predict,
  randomMasker,
  type Strategy,
} from '@fovea/engine';
import { blockShape, type Group, type PlainConvolution } from '@fovea/engine/backend';
import { devices } from '@fovea/engine/predict';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { distinctGranularities } from '../../../engine/src/predict/candidate.js';

const strategies = ['unfused', 'lasnet', 'streamed'];

/** A convolution of which only the geometry matters. */
function convolution(
  inChannels: number,
  outChannels: number,
  { kernel = 1, stride = 1, groups = 1 } = {},
): PlainConvolution {
  const pad = (kernel - 1) / 2;
  return {
    name: '',
    inChannels,
    outChannels,
    kernel: [kernel, kernel],
    stride: [stride, stride],
    padding: [pad, pad, pad, pad],
    dilation: [1, 1],
    groups,
    weight: new Float32Array((outChannels * inChannels * kernel * kernel) / groups),
    bias: new Float32Array(outChannels),
    activation: 'relu',
  };
}

/** A network of a single block. */
function networkOf(block: Block, size: number): Network {
  return {
    name: 'single',
    format: 'built',
    inputShape: { channels: block.branch[0]!.inChannels, height: size, width: size },
    nodes: [{ kind: 'block', name: block.name, inputs: ['input'], output: 'output', block }],
    input: 'input',
    output: 'output',
    notes: [],
  };
}

const anyBlock = fc
  .record({
    width: fc.integer({ min: 1, max: 40 }),
    expansion: fc.constantFrom(1, 4),
    stride: fc.constantFrom(1, 2),
    kind: fc.constantFrom('basic', 'bottleneck', 'inverted'),
    grouped: fc.boolean(),
    excitation: fc.boolean(),
  })
  .map(({ width: w, expansion, stride, kind, grouped, excitation }): Block => {
    const width = 2 * w;
    const C = kind === 'basic' ? width : width * expansion;
    const inChannels = stride === 2 ? Math.max(1, C / 2) : C;
    const spatial = { kernel: 3, stride, groups: grouped ? 2 : 1 };
    /** A separable convolution: a depthwise and a pointwise one. */
    const pair = (from: number, to: number, step = 1) => [
      convolution(from, from, { kernel: 3, stride: step, groups: from }),
      convolution(from, to),
    ];
    const branch =
      kind === 'basic'
        ? [convolution(inChannels, width, { kernel: 3, stride }), convolution(width, C, { kernel: 3 })]
        : kind === 'inverted'
          ? [
              ...pair(inChannels, width),
              ...pair(width, width),
              ...pair(width, width, stride),
              ...pair(width, C),
            ]
          : [convolution(inChannels, width), convolution(width, width, spatial), convolution(width, C)];
    return {
      index: 0,
      stage: 0,
      name: 'block',
      kind: kind as Block['kind'],
      branch,
      ...(excitation
        ? {
            attention: {
              after: branch.length - 2,
              pools: ['mean'] as const,
              reduce: convolution(width, 4),
              gate: convolution(4, width),
            },
          }
        : {}),
      ...(stride === 2 ? { projection: convolution(inChannels, C, { stride }) } : {}),
      activation: 'relu',
      adaptive: true,
    };
  });

const anySize = fc.integer({ min: 3, max: 40 });
const anyDevice = fc.constantFrom(...devices);

describe('the fovea model, on any block and any device of the table', () => {
  it('predicts finite times that are not negative and add up, at every rate', () => {
    fc.assert(
      fc.property(
        anyBlock,
        anySize,
        anyDevice,
        fc.constantFrom('dense', ...strategies),
        fc.constantFrom(0, 1e-9, 0.1, 0.5, 1),
        fc.constantFrom(1, 2, 7, Number.POSITIVE_INFINITY),
        (block, size, device, strategy, rate, granularity) => {
          const profile = predict(networkOf(block, size), { device, strategy, rate, granularity });
          let sum = 0;
          for (const op of profile.ops) {
            for (const part of [op.computeMs, op.dataMs, op.overheadMs, op.flops, op.bytes]) {
              expect(Number.isFinite(part) && part >= 0).toBe(true);
            }
            expect(op.computeMs + op.dataMs + op.overheadMs).toBeCloseTo(op.totalMs, 12);
            sum += op.totalMs;
          }
          expect(profile.totalMs).toBeCloseTo(sum, 12);
        },
      ),
      { seed: 1, numRuns: 300 },
    );
  });

  it('never predicts more time for a lower rate', () => {
    fc.assert(
      fc.property(
        anyBlock,
        anySize,
        anyDevice,
        fc.constantFrom(...strategies),
        fc.integer({ min: 1, max: 8 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (block, size, device, strategy, granularity, a, b) => {
          const network = networkOf(block, size);
          const cost = (rate: number) => predict(network, { device, strategy, granularity, rate }).totalMs;
          expect(cost(Math.min(a, b))).toBeLessThanOrEqual(cost(Math.max(a, b)) * (1 + 1e-12));
        },
      ),
      { seed: 2, numRuns: 300 },
    );
  });

  it('never predicts adaptive execution of everything to beat dense execution', () => {
    fc.assert(
      fc.property(
        anyBlock,
        anySize,
        anyDevice,
        fc.constantFrom(...strategies),
        fc.integer({ min: 1, max: 8 }),
        (block, size, device, strategy, granularity) => {
          const network = networkOf(block, size);
          const adaptive = predict(network, { device, strategy, granularity, rate: 1 });
          const dense = predict(network, { device, strategy: 'dense' });
          expect(adaptive.totalMs).toBeGreaterThanOrEqual(dense.totalMs * (1 - 1e-12));
        },
      ),
      { seed: 3, numRuns: 300 },
    );
  });

  it("costs a user's own grouping with no extra code", () => {
    const own: Strategy = {
      name: 'own',
      description: 'everything after the mask in one pass',
      plan: ({ block }) => ({
        mode: 'adaptive',
        groups: [
          { primitives: ['pool', 'mask', 'index'] },
          ...(block.projection ? [{ primitives: ['projection'] } as Group] : []),
          { primitives: ['conv1', 'gather', 'conv2', 'conv3', 'scatter', 'add'] },
        ],
      }),
    };
    const network = builtNetwork('resnet50');
    const profile = predict(network, { device: 'tx2', strategy: own, granularity: 4, rate: 0.4 });
    expect(profile.strategy).toBe('own');
    const unfused = predict(network, { device: 'tx2', strategy: 'unfused', granularity: 4, rate: 0.4 });
    expect(profile.totalMs).toBeLessThan(unfused.totalMs);
  });
});

describe('prediction of whole networks', () => {
  const network = builtNetwork('resnet50');

  it('has the form of a measurement, in execution order', () => {
    const profile = predict(network, { device: 'v100', strategy: 'lasnet', granularity: [4, 4, 2, 1] });
    expect(profile).toMatchObject({ kind: 'predicted', source: 'fovea', device: 'v100', batch: 128 });
    expect(profile.blocks.map(({ block }) => block)).toEqual([...Array(16).keys()]);
    expect(profile.ops[0]).toMatchObject({ name: 'conv1', block: -1 });
    expect(profile.ops.at(-1)).toMatchObject({ block: -1 });
    expect(profile.blocks[0]!.granularity).toBe(4);
    expect(JSON.parse(JSON.stringify(profile))).toEqual(profile);
  });

  it('counts conv1 on the dilated mask: finer masks cost more', () => {
    const time = (granularity: number) =>
      predict(network, { device: 'tx2', strategy: 'streamed', granularity, rate: 0.5 });
    expect(time(1).blocks[1]!.dilatedRate).toBeGreaterThan(time(7).blocks[1]!.dilatedRate);
    expect(time(1).totalMs).toBeGreaterThan(time(7).totalMs);
  });

  it('takes actual masks in the place of rates', async () => {
    const block = network.nodes.flatMap((node) => (node.kind === 'block' ? [node.block] : []))[1]!;
    const shape = blockShape(block, 56, 56);
    const grid = { rows: 14, columns: 14 };
    const { cells } = await randomMasker(0.25, 3).decide({
      block,
      shape,
      granularity: 4,
      batch: 1,
      ...grid,
      pooled: new Float32Array(0),
    });
    const mask = { block: 1, granularity: 4, batch: 1, ...grid, height: 56, width: 56, cells };
    const profile = predict(network, {
      device: 'tx2',
      strategy: 'streamed',
      granularity: 4,
      rate: 1,
      masks: [mask],
    });
    expect(profile.blocks[1]!.rate).toBeCloseTo(0.25, 2);
    expect(profile.blocks[1]!.dilatedRate).toBeLessThan(0.6);
    expect(profile.blocks[2]!.rate).toBe(1);
  });

  it('honours batch, threads and input size', () => {
    const base = { device: 'cpu-avx2', strategy: 'streamed', granularity: 4 } as const;
    // A GPU is used whole.
    expect(predict(network, { device: 'v100', threads: 8 }).threads).toBe(1);
    const one = predict(network, { ...base, threads: 1 }).totalMs;
    expect(predict(network, { ...base, threads: 4 }).totalMs).toBeLessThan(one / 2);
    expect(predict(network, { ...base, threads: 1, batch: 2 }).totalMs).toBeGreaterThan(1.5 * one);
    expect(predict(network, { ...base, threads: 1, height: 112, width: 112 }).totalMs).toBeLessThan(one / 2);
  });

  it('predicts a published network with the published model to the published figure', () => {
    const options = { device: 'v100', model: 'published', granularity: [8, 4, 7, 1] } as const;
    const resnet = builtNetwork('resnet101');
    const perImage = (strategy: string, rate: number, granularity: readonly number[] | number) => {
      const { totalMs, batch } = predict(resnet, { ...options, strategy, rate, granularity });
      return totalMs / batch;
    };
    expect(perImage('dense', 1, 1)).toBeCloseTo(1.6770007933333333, 9);
    expect(perImage('lasnet', 0.5, [8, 4, 7, 1])).toBeCloseTo(1.185898723010204, 9);
    expect(perImage('lasnet', 0.5, Number.POSITIVE_INFINITY)).toBeCloseTo(0.9433013454761904, 9);
  });

  it('keeps a plan as it is given', () => {
    const plan = makePlan(network, { strategy: 'unfused', granularity: 7 });
    const profile = predict(network, { device: 'nano', plan: JSON.parse(JSON.stringify(plan)) });
    expect(profile.strategy).toBe('unfused');
    expect(profile.blocks.every(({ granularity }) => granularity === 7)).toBe(true);
  });
});

describe('what is refused, and how', () => {
  const network = builtNetwork('resnet18');
  const v100 = getDevice('v100');
  const cases: [name: string, options: Parameters<typeof predict>[1], message: RegExp][] = [
    ['an unknown device', { device: 'abacus' }, /'abacus'.*v100.*cpu-avx512/],
    ['a rate above 1', { device: 'v100', rate: 1.01 }, /1\.01/],
    ['a rate below 0', { device: 'v100', rate: -0.1 }, /-0\.1/],
    ['a rate that is not a number', { device: 'v100', rate: Number.NaN }, /NaN/],
    ['a granularity below 1', { device: 'v100', granularity: 0 }, /0/],
    ['an unknown strategy', { device: 'v100', strategy: 'magic' }, /"magic".*streamed/],
    ['an unknown model', { device: 'v100', model: 'oracle' as never }, /'oracle'.*fovea or published/],
    ['a batch of 0', { device: 'v100', batch: 0 }, /batch 0/],
    ['threads that are not whole', { device: 'v100', threads: 1.5 }, /threads 1\.5/],
    ['a device without bandwidth', { device: { ...v100, memoryBandwidth: 0 } }, /memoryBandwidth is 0/],
    ['a device with NaN', { device: { ...v100, lanes: Number.NaN } }, /lanes is NaN/],
    ['a device of no kind', { device: { ...v100, kind: 'tpu' as never } }, /kind is "tpu"/],
    ['no device', { device: undefined as never }, /device undefined/],
    [
      'a plan for another network',
      { device: 'v100', plan: makePlan(builtNetwork('resnet50'), {}) },
      /16 blocks/,
    ],
  ];
  for (const [name, options, message] of cases) {
    it(name, () => {
      let error: unknown;
      try {
        predict(network, options);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toMatchObject({ name: 'FoveaError', message: expect.stringMatching(message) });
    });
  }
});

describe('granularities', () => {
  it('lists one S for every grid that a map can have', () => {
    const block = builtNetwork('resnet50').nodes.flatMap((node) =>
      node.kind === 'block' ? [node.block] : [],
    )[0]!;
    expect(distinctGranularities(blockShape(block, 7, 7))).toEqual([1, 2, 3, 7]);
    expect(distinctGranularities(blockShape(block, 14, 14))).toEqual([1, 2, 3, 4, 5, 14]);
  });

  it('finds the strategies by name', () => {
    for (const name of strategies) expect(getStrategy(name).name).toBe(name);
  });
});
