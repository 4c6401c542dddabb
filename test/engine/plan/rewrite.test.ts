import {
  blocksOf,
  builtNetwork,
  customMasker,
  type Device,
  getDevice,
  getStrategy,
  type Masker,
  makePlan,
  type Network,
  type Plan,
  predict,
  programText,
  randomMasker,
  run,
  type Strategy,
} from '@fovea/engine';
import {
  mergeSteps,
  nativeBackendWith,
  type Operation,
  type ProgramMap,
  type Rewrite,
  type Step,
  splitStep,
  stepOf,
} from '@fovea/engine/backend';
import { searchGranularity } from '@fovea/engine/predict';
import { describe, expect, it } from 'vitest';
import { backends } from '../support/backends.js';
import { randomImages, relativeError, smallNetwork } from '../support/small-network.js';

/**
 * conv1 everywhere, in one stream with what follows its mask: no grouping says so, for a convolution that comes before
 * the mask's lists is a pass of its own.
 */
const denseFirst: Strategy = {
  name: 'dense first',
  description: 'conv1 everywhere, streamed with the rest of the branch',
  plan: ({ block, needsPool }) => ({
    mode: 'adaptive',
    groups: [
      ...(needsPool ? [{ primitives: ['pool'] as const }] : []),
      { primitives: ['mask'] },
      ...(block.projection ? [{ primitives: ['projection'] as const }] : []),
      { primitives: ['conv1'] },
      { primitives: ['index'] },
      {
        primitives: [
          ...block.branch.slice(1).map((_, i) => (['conv2', 'conv3'] as const)[i]!),
          ...(['scatter', 'add'] as const),
        ],
      },
    ],
    rewrite: {
      name: 'conv1 into the stream',
      apply: (steps) => mergeSteps(steps, ...block.branch.map((convolution) => stepOf(steps, convolution))),
    },
  }),
};

const rewritten = (
  name: string,
  rewrite: Rewrite['apply'],
  base: string | Strategy = 'unfused',
): Strategy => ({
  name,
  description: name,
  plan: (context) => ({
    ...(typeof base === 'string' ? getStrategy(base) : base).plan(context),
    rewrite: { name, apply: rewrite },
  }),
});

/** The same groups without the rewrite. */
const asGrouped = (strategy: Strategy): Strategy => ({
  ...strategy,
  plan(context) {
    const { rewrite, ...grouped } = strategy.plan(context);
    return grouped;
  },
});

const streamsOf = (network: Network, strategy: Strategy) =>
  programText(network, { strategy })
    .split(/\n(?=\d+:)/)
    .filter((step) => step.includes('stream'));

const network = smallNetwork();
const kinds = ['bottleneck', 'basic', 'inverted'] as const;

describe('a rewrite', () => {
  it('makes programs that no grouping makes: a dense convolution streamed with sparse ones', () => {
    const [first] = streamsOf(network, denseFirst);
    expect(first).toMatch(
      /block0.conv1 %\d+ relu\n.*block0.conv2 %\d+ @\d+ relu\n.*block0.conv3 .* @\d+ \+ %/,
    );
    expect(streamsOf(network, asGrouped(denseFirst)).join()).not.toMatch(/conv1 .*\n.*conv2/);
  });

  it('says so in the profile, at the passes that it changed', async () => {
    const { profile } = await run(network, randomImages(network), {
      strategy: denseFirst,
      backend: 'reference',
    });
    const notes = profile.ops.filter(({ block }) => block === 1).map(({ note }) => note);
    expect(notes.filter(Boolean)).toEqual([
      'nothing is left of it after "conv1 into the stream"',
      'rewritten by "conv1 into the stream"',
    ]);
  });

  it('may answer with the steps that it was given', async () => {
    const same = rewritten('nothing', (steps) => steps);
    expect(programText(network, { strategy: same })).toBe(programText(network, { strategy: 'unfused' }));
  });

  it('gets frozen data, and what it does to its answer later changes nothing', () => {
    let answer: Step[] = [];
    const keeping = rewritten('keeping', (steps) => {
      expect(() => (steps as Step[]).pop()).toThrow(TypeError);
      expect(() => Object.assign(steps[0]!.operations[0]!, { kind: 'index' })).toThrow(TypeError);
      answer = steps.map((step) => ({ ...step, operations: [...step.operations] }));
      return answer;
    });
    const plan = makePlan(network, { strategy: keeping });
    const text = programText(network, { plan });
    answer.length = 0;
    expect(text).toBe(programText(network, { strategy: 'unfused' }));
  });

  it('makes maps of its own, packed or whole', async () => {
    const apart = rewritten(
      'the addition apart',
      (steps, { map }) => {
        const at = steps.findIndex(({ operations }) =>
          operations.some(
            (operation) => operation.kind === 'convolve' && operation.residual && operation.region,
          ),
        );
        const parts = splitStep(steps, steps[at]!);
        return parts.flatMap((step) => {
          const [operation] = step.operations;
          if (operation?.kind !== 'convolve' || !operation.residual || !operation.region) return [step];
          const { residual, region, destination, convolution } = operation;
          const source = map(destination.shape, region);
          const { residual: _, ...plain } = operation;
          return [
            { ...step, operations: [{ ...plain, destination: source, activation: convolution.activation }] },
            {
              owner: step.owner,
              operations: [
                {
                  ...{ kind: 'scatter-add', source, destination, region, shortcut: residual },
                  activation: operation.activation,
                },
              ],
            },
          ];
        });
      },
      'streamed',
    );
    expect(programText(network, { strategy: apart })).toMatch(/packed @\d+ = convolve block1.conv3/);
    const images = randomImages(network, 2);
    const [plain, changed] = [
      await run(network, images, { strategy: 'unfused' }),
      await run(network, images, { strategy: apart }),
    ];
    expect(relativeError(changed.output.data, plain.output.data)).toBeLessThan(1e-4);
  });
});

describe('what a rewrite answers is refused', () => {
  /** Changes the first operation of a kind. */
  const changing =
    <Kind extends Operation['kind']>(
      kind: Kind,
      change: (operation: Extract<Operation, { kind: Kind }>) => unknown,
    ): Rewrite['apply'] =>
    (steps) => {
      let done = false;
      return steps.map((step) => ({
        ...step,
        operations: step.operations.map((operation) => {
          if (done || operation.kind !== kind) return operation;
          done = true;
          return change(operation as Extract<Operation, { kind: Kind }>) as Operation;
        }),
      }));
    };
  const at = (steps: readonly Step[], kind: Operation['kind']) =>
    steps.findIndex(({ operations }) => operations.some((operation) => operation.kind === kind));
  const answering = (answer: unknown) => () => answer as Step[];
  const otherMap: ProgramMap = {
    ...{ id: 0, shape: [1, 1, 1, 1], dtype: 'f32' },
    layout: { kind: 'map' },
  };

  it.each<[string, Rewrite['apply'], RegExp, (string | Strategy)?]>([
    ['nothing', answering(undefined), /answered with undefined; a list of steps is accepted/],
    ['a text', answering('steps'), /answered with "steps"/],
    ['a promise', (async (steps: Step[]) => steps) as never, /cannot be async/],
    [
      'a generator',
      function* () {
        for (;;) yield 1;
      } as never,
      /answered with another object; a list of steps/,
    ],
    ['too much', answering(Array(1e9)), /1000000000 steps; at most 256/],
    ['holes', answering(Array(3)), /step 0: undefined; a step with owner and operations/],
    [
      'an exception',
      () => {
        throw new Error('out of ideas');
      },
      /failed: out of ideas/,
    ],
    ['a step that is not there', (steps) => mergeSteps(steps, undefined), /failed: no step; one of the list/],
    [
      'steps without operations',
      (steps) => [{ ...steps[0]!, operations: [] }],
      /step 0: operations a list of 0/,
    ],
    ['steps of nobody', ([step]) => [{ ...step!, owner: { node: 99, group: 0 } }], /owner another object/],
    [
      'an unknown field of a step',
      ([step]) => [{ ...step!, bands: 3 } as never],
      /a field "bands"; owner, op/,
    ],
    [
      'an unknown operation',
      changing('convolve', (operation) => ({ ...operation, kind: 'convolution' })),
      /step \d+: an operation of kind "convolution"; convolve, add, .* are accepted in a block/,
    ],
    [
      'an operation of no block',
      changing('convolve', ({ source, destination }) => ({ kind: 'global-pool', source, destination })),
      /of kind "global-pool"/,
    ],
    [
      'an unknown field',
      changing('convolve', (operation) => ({ ...operation, bandPixels: 3 })),
      /convolve with a field "bandPixels"; convolution, source, .* are accepted/,
    ],
    [
      'a missing field',
      changing('convolve', ({ others, ...operation }) => operation),
      /convolve: others is undefined; true or false is accepted/,
    ],
    [
      "another program's map",
      changing('convolve', (operation) => ({ ...operation, source: otherMap })),
      /source is number 0 of another program; a map of the steps/,
    ],
    [
      'a copy of a region',
      changing('scatter-add', (operation) => ({ ...operation, region: { ...operation.region } })),
      /region is number \d of another program/,
      'lasnet',
    ],
    [
      "another block's convolution",
      changing('convolve', (operation) => ({ ...operation, convolution: { ...operation.convolution } })),
      /convolution is "block0.projection"; one of the block's own convolutions/,
    ],
    [
      'an unknown activation',
      changing('convolve', (operation) => ({ ...operation, activation: 'tanh' })),
      /activation is "tanh"; the name of an activation/,
    ],
    ['bands of no stream', ([step]) => [{ ...step!, bandPixels: 7 }], /bands of 7 pixels; a stream may have/],
    [
      'values read before they are written',
      (steps) => steps.filter((_, i) => i !== at(steps, 'gather')),
      /step \d+, .*convolve block0.conv2.*: map \d+ holds no value here/,
    ],
    [
      'a mask used before it is indexed',
      (steps) =>
        [...steps].sort(
          (a, b) => Number(a.operations[0]!.kind === 'index') - Number(b.operations[0]!.kind === 'index'),
        ),
      /region \d+ is used before mask \d+ is indexed/,
    ],
    [
      'a layout that cannot be read so',
      changing('scatter', ({ source, destination }) => ({
        ...{ kind: 'add', a: source, destination, activation: 'none' },
      })),
      /map \d+ is packed, not a whole map/,
    ],
    [
      'more pixels than are there',
      changing('gather', ({ source }) => ({
        kind: 'add',
        a: source,
        destination: source,
        activation: 'none',
      })),
      /holds values at region \d+ only, and more is read/,
    ],
    [
      'streams of what does not stream',
      (steps) => mergeSteps(steps, steps[0]!, steps[1]!),
      /behind a pool, one convolution that reads the same map streams/,
    ],
    [
      'another activation',
      changing('convolve', (operation) => ({ ...operation, activation: 'sigmoid' })),
      /the block's output, would hold .*sigmoid\(projection\(%\d+\)\).* instead of/,
    ],
    [
      'a branch that is not added',
      (steps) => steps.filter((_, i) => i !== at(steps, 'add')),
      /the block's output, would hold projection\(%\d+\) instead of \[relu\(\(conv3/,
    ],
    [
      'a mask that nothing lists',
      (steps) => steps.slice(0, at(steps, 'index')),
      /mask 0 is decided .* instead of decided .*, indexed/,
    ],
    [
      'pixels outside the mask that go without their activation',
      (steps) => steps.filter((_, i) => i !== at(steps, 'activate-others')),
      /the block's output, would hold \[relu.* at @0, projection\(%1\) elsewhere\] instead of/,
      denseFirst,
    ],
    [
      'a map that nothing uses',
      (steps, { map }) => {
        map([1, 2, 3, 4]);
        return steps;
      },
      /map \d+ was made, but no step uses it/,
    ],
    [
      'a map of no size',
      (_, { map }) => [map([1, 0, 1, 1])] as never,
      /a map of \[1,0,1,1\]; \[N, H, W, C\]/,
    ],
    ['a map of all memory', (_, { map }) => [map([1, 1e5, 1e5, 1])] as never, /fewer than 2\^31 values/],
  ])('when it is %s', (_, apply, message, base = 'unfused') => {
    const first = rewritten('mine', apply, base);
    const strategy: Strategy = {
      ...first,
      plan: (context) =>
        context.block.index === 0 ? first.plan(context) : getStrategy('unfused').plan(context),
    };
    const asked = () => programText(network, { strategy, masker: 'learned' });
    expect(asked).toThrow(message);
    expect(asked).toThrow(/^rewrite "mine" of block "block0"/);
    expect(asked).toThrow(expect.objectContaining({ name: 'FoveaError', code: 'bad-argument' }));
    expect(() => predict(network, { device: 'cpu-avx2', strategy })).toThrow(message);
  });
});

describe('a plan with a rewrite', () => {
  const plan = makePlan(network, { strategy: denseFirst });

  it('loses it in JSON, keeps its name, and is refused', () => {
    const read = JSON.parse(JSON.stringify(plan)) as Plan;
    expect(read.blocks[0]!.rewrite).toEqual({ name: 'conv1 into the stream' });
    const lost = /block 0 \(block0\): rewrite "conv1 into the stream" has no function "apply"/;
    expect(() => predict(network, { device: 'cpu-avx2', plan: read })).toThrow(lost);
    expect(() => programText(network, { plan: read })).toThrow(lost);
    expect(() => structuredClone(plan)).toThrow(/could not be cloned/);
  });

  it.each([[{}], ['merge'], [{ name: '' }], [null]])('is refused with the rewrite %j', (rewrite) => {
    const blocks = plan.blocks.map((block) => ({ ...block, rewrite: rewrite as never }));
    expect(() => predict(network, { device: 'cpu-avx2', plan: { ...plan, blocks } })).toThrow(
      /a rewrite without a name; \{ name, apply \} is accepted/,
    );
  });

  it('is refused by the published formulas, which know nothing of it', () => {
    expect(() => predict(network, { device: 'v100', plan, model: 'published' })).toThrow(
      expect.objectContaining({ code: 'unsupported' }),
    );
    expect(() => predict(network, { device: 'v100', plan, model: 'published' })).toThrow(
      /rewrite "conv1 into the stream" of block "block0".*cost model 'fovea' is accepted/,
    );
  });
});

describe('rewrites of one name', () => {
  const images = randomImages(network, 1);
  /** A rewrite that splits streams or does not, as it is said at the moment. */
  const fickle = { splits: true };
  const splitting: Rewrite['apply'] = (steps) =>
    fickle.splits ? steps.flatMap((step) => splitStep([step], step)) : steps;
  const strategy = rewritten('fickle', splitting, 'streamed');
  const plan = Object.freeze(makePlan(network, { strategy }));
  const device: Device = { ...getDevice('cpu-avx2'), name: 'fickle' };

  it.each(backends)(
    'never share a program, nor does one that answers otherwise: $name',
    async ({ name, missing }) => {
      if (missing) return;
      const passes = async (masker: Masker) => {
        const { profile } = await run(network, images, { plan, masker, backend: name, threads: 1 });
        return profile.ops.filter((op) => op.note?.includes('rewritten by "fickle"')).length;
      };
      const masker = randomMasker(0.5, 1);
      fickle.splits = true;
      const split = await passes(masker);
      fickle.splits = false;
      const whole = await passes(masker);
      expect([split > 0, whole]).toEqual([true, 0]);
      fickle.splits = true;
      expect(await passes(masker)).toBe(split);
    },
  );

  it('are costed by what they answer, whole networks and single blocks', () => {
    const everywhere: Rewrite['apply'] = (steps) =>
      steps.map((step) => ({
        ...step,
        operations: step.operations.map((operation) => {
          if (operation.kind !== 'convolve' || operation.convolution !== blocksOf(network)[1]!.branch[0])
            return operation;
          const { region, ...rest } = operation;
          return rest;
        }),
      }));
    const [a, b] = [
      rewritten('same', (steps) => steps, 'streamed'),
      rewritten('same', everywhere, 'streamed'),
    ];
    const ms = (of: Strategy) => predict(network, { device, strategy: of, rate: 0.1 }).totalMs;
    expect(ms(a)).toBe(ms(getStrategy('streamed')));
    expect(ms(b)).toBeGreaterThan(ms(a));
    expect(ms(a)).toBe(ms(getStrategy('streamed')));
    const found = (of: Strategy) =>
      searchGranularity(network, device, {
        strategies: [of],
        rate: 0.1,
        granularities: [2],
      }).blocks[1]!.candidates.find(({ mode }) => mode === 'adaptive')!.totalMs;
    expect(found(b)).toBeGreaterThan(found(a));
    expect(found(a)).toBe(found(getStrategy('streamed')));
  });
});

describe('a search', () => {
  it('tries strategies with a rewrite, and its plan runs', async () => {
    const searched = searchGranularity(network, 'cpu-avx2', {
      ...{ strategies: [denseFirst], rate: 0.2, granularities: [2], batch: 1 },
    });
    expect(searched.blocks[1]!.candidates.map(({ strategy }) => strategy)).toContain('dense first');
    const images = randomImages(network, 1);
    const { output } = await run(network, images, { plan: searched.plan, masker: randomMasker(0.5, 1) });
    expect(output.data.every(Number.isFinite)).toBe(true);
  });
});

/** Masks of every kind, by which masks are decided before, during and between the parts of a run. */
const maskers: [string, Parameters<typeof run>[2]][] = [
  ['learned', { masker: 'learned' }],
  ['saliency', { masker: 'saliency', rate: 0.4 }],
  ['random', { masker: randomMasker(0.4, 5) }],
  ['no', { masker: randomMasker(0, 5) }],
  ['all', { masker: randomMasker(1, 5) }],
  [
    'custom',
    {
      masker: customMasker(({ batch, rows, columns }) =>
        Array.from({ length: batch * rows * columns }, (_, i) => i % 3 === 0),
      ),
    },
  ],
];

describe.each(backends)(
  'a dense conv1 streamed with sparse convolutions: $name',
  ({ name: backend, missing }) => {
    const there = it.skipIf(missing !== undefined);
    for (const kind of kinds) {
      for (const [masks, options] of maskers) {
        there(`${kind}, ${masks} masks, odd sizes, one image and a batch`, { timeout: 120_000 }, async () => {
          const sizes =
            backend === 'webgpu'
              ? [[13, 11]]
              : [
                  [13, 11],
                  [31, 18],
                  [8, 40],
                ];
          for (const [height, mapWidth] of sizes as [number, number][]) {
            const net = smallNetwork({ kind, height, mapWidth, channels: 20, width: 20 });
            const images = randomImages(net, 2);
            const plain = await run(net, images, { ...options, strategy: 'unfused', backend });
            for (const threads of [1, 2]) {
              for (const bandPixels of backend === 'native' ? [0, 1, 7, 24, 90] : [0]) {
                const on = bandPixels > 0 ? nativeBackendWith({ bandPixels }) : backend;
                const streamed = await run(net, images, {
                  ...options,
                  strategy: denseFirst,
                  backend: on,
                  threads,
                });
                expect(streamed.masks.map(({ cells }) => [...cells])).toEqual(
                  plain.masks.map(({ cells }) => [...cells]),
                );
                expect(relativeError(streamed.output.data, plain.output.data)).toBeLessThan(1e-4);
              }
            }
          }
        });
      }
    }
  },
);

describe('at the sizes that people use', () => {
  const native = it.skipIf(backends.find(({ name }) => name === 'native')?.missing !== undefined);
  native.each(['resnet50', 'resnet18', 'mobilenet_v2'])('%s', { timeout: 120_000 }, async (name) => {
    const net = builtNetwork(name);
    const images = randomImages(net, 1);
    const options = { masker: randomMasker(0.4, 1), granularity: 4, rate: 0.4 };
    const plain = await run(net, images, { ...options, strategy: 'unfused', threads: 2 });
    for (const threads of [1, 2]) {
      const { output } = await run(net, images, { ...options, strategy: denseFirst, threads });
      expect(relativeError(output.data, plain.output.data)).toBeLessThan(1e-4);
    }
  });
});
