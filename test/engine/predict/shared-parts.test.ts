import { builtNetwork, getDevice, makePlan, type Network, predict, randomMasker } from '@fovea/engine';
import { nativeBackend, networkShapes } from '@fovea/engine/backend';
import { importOnnx } from '@fovea/engine/onnx';
import { describe, expect, it } from 'vitest';
import { joinParts, PartPlacer } from '../../../engine/src/backends/native/encoded-part.js';
import type { Masker } from '../../../engine/src/mask/mask.js';
import { blocksOf } from '../../../engine/src/network/network.js';
import { weightBytesOf } from '../../../engine/src/network/weight-bytes.js';
import { lowerNetwork } from '../../../engine/src/plan/lower.js';
import type { Plan } from '../../../engine/src/plan/plan.js';
import { expectedCoverage } from '../../../engine/src/predict/coverage.js';
import { costedPart } from '../../../engine/src/predict/program-cost/costed-part.js';
import {
  CostedProgram,
  costedProgram,
  expectedDecisions,
  programOfPlan,
} from '../../../engine/src/predict/program-cost/costed-program.js';
import { passCosts } from '../../../engine/src/predict/program-cost/pass-costs.js';
import {
  knownForeignShapes,
  type PlacedParts,
} from '../../../engine/src/predict/program-cost/placed-parts.js';
import type { AdaptiveBlock } from '../../../engine/src/primitives/network-lowering.js';
import type { Program } from '../../../engine/src/program/program.js';
import { generate, generateWhole } from '../differential/generate.js';
import { maskersOf } from '../differential/maskers.js';
import { networkOf } from '../differential/network.js';
import { planOptions } from '../differential/plans.js';
import { runRewritten } from '../differential/rewrites.js';
import { calibratedDevice } from '../support/calibrated-device.js';
import { conv, model } from '../support/onnx-graphs.js';
import { denseFirst } from '../support/rewrites.js';

interface Size {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
}

/** What the addon is given, convolutions numbered by their geometry. */
function tablesOf({ parts, input, output }: PlacedParts, numbers: Map<string, number>) {
  const numberOf = (geometry: Int32Array) => {
    const number = numbers.get(geometry.join()) ?? numbers.size;
    numbers.set(geometry.join(), number);
    return number;
  };
  return joinParts(
    parts.map(({ part, at }) => ({
      at,
      numbers: {
        convolutions: part.convolutions.map(numberOf),
        deciders: new Int32Array(part.deciders),
        biases: part.biases,
      },
    })),
    input,
    output,
  );
}

/** A program as a single part. */
function wholePart(program: Program, blocks: readonly AdaptiveBlock[]): PlacedParts {
  const part = costedPart(program, blocks);
  const at = new PartPlacer().place(part.encoded);
  const adaptive = blocks.map(({ block, shape }, i) => ({ block, shape, ...part.adaptive[i]! }));
  return {
    parts: [{ part, at, node: 0, adaptive }],
    input: program.input.id,
    output: program.output?.id,
    rewritten: '',
  };
}

/** A plan's program made of shared parts, and lowered as a whole. */
function bothWays(network: Network, plan: Plan, size: Size, maskers?: readonly Masker[]) {
  const shapes = networkShapes(network, size);
  const shared = programOfPlan(network, plan, shapes, maskers);
  const { program, adaptive } = lowerNetwork(
    network,
    plan,
    shapes.values.get(network.input)!,
    expectedDecisions(network, plan, maskers),
    knownForeignShapes(network, shapes.values),
  );
  const plain = new CostedProgram(shared.order, wholePart(program, [...adaptive.values()]), () => program);
  return { shared, plain };
}

/** That both are the same program, and cost the same to the last bit. */
function expectSame(network: Network, plan: Plan, size: Size, maskers?: readonly Masker[]): CostedProgram {
  const { shared, plain } = bothWays(network, plan, size, maskers);
  const numbers = new Map<string, number>();
  expect(tablesOf(shared.placed, numbers)).toEqual(tablesOf(plain.placed, numbers));
  expect(shared.passesOfInstructions()).toEqual(plain.passesOfInstructions());
  const counted = [shared, plain].map((program) => {
    const counts = program.counts(({ block, shape }) =>
      expectedCoverage(
        block,
        shape,
        plan.blocks[block.index]!.granularity,
        0.3 + block.index / 99,
        size.batch,
      ),
    );
    program.sums.update(counts.pixels);
    const { flops, bytes } = program.sums;
    return { counts, flops: flops.slice(), bytes: bytes.slice() };
  });
  expect(counted[0]).toEqual(counted[1]);
  const { counts } = counted[0]!;
  for (const device of [calibratedDevice(), getDevice('v100')]) {
    for (const threads of device.kind === 'cpu' ? [1, 3] : [1]) {
      const setting = { device, batch: size.batch, threads, weightBytes: weightBytesOf(network) };
      expect(passCosts(shared, counts, setting)).toEqual(passCosts(plain, counts, setting));
    }
  }
  return shared;
}

describe.skipIf(nativeBackend.unavailable !== undefined)('a program of shared parts', () => {
  it.each(['resnet18', 'resnet50', 'mobilenet_v2', 'regnet_y_800mf'])(
    'is the program that the whole network is lowered to: %s',
    (name) => {
      const network = builtNetwork(name);
      const given = blocksOf(network).map(() => randomMasker(0.4, 3));
      for (const strategy of ['dense', 'unfused', 'lasnet', 'streamed']) {
        for (const granularity of [1, 4, [7, 3, 5, 2], 50]) {
          for (const [maskers, size] of [
            [undefined, { batch: 1, height: 224, width: 224 }],
            [given, { batch: 2, height: 160, width: 100 }],
          ] as const) {
            const options = { strategy, ...size, ...(maskers ? { maskers } : {}) };
            const S = typeof granularity === 'number' || name !== 'mobilenet_v2' ? granularity : 3;
            const plan = makePlan(network, { ...options, granularity: S });
            const program = expectSame(network, plan, size, maskers);
            expect(program.placed.parts.length).toBe(network.nodes.length + 1);
          }
        }
      }
    },
    60_000,
  );

  it('is so in random networks with plans written by hand, skips, attention and padding by size', () => {
    let compared = 0;
    const options = { multiplyAdds: 2e8, sides: [9, 64], runs: 6 } as const;
    for (let seed = 1; seed <= 40; seed++) {
      const test = seed % 5 === 0 ? generateWhole(seed) : generate(seed, options);
      const network = networkOf(test, false);
      const { height, width } = network.inputShape;
      for (const run of test.runs) {
        const size = { batch: run.batch.length, height, width };
        const planning = planOptions(test, network, run);
        const maskers = maskersOf(test).forEngine();
        const plan = planning.plan ?? makePlan(network, { ...planning, maskers, ...size });
        expectSame(network, plan, size, maskers);
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(200);
  }, 120_000);

  it('is so with rewrites, whose steps are shared with no other block', async () => {
    const network = builtNetwork('resnet50');
    const size = { batch: 1, height: 224, width: 224 };
    const plan = makePlan(network, { strategy: denseFirst, granularity: [8, 4, 7, 1], ...size });
    const { placed } = expectSame(network, plan, size);
    expect(placed.rewritten).toContain('conv1');
    expect(new Set(placed.parts.map(({ part }) => part)).size).toBeGreaterThan(blocksOf(network).length);
    let compared = 0;
    for (let seed = 1; seed <= 12; seed++) {
      const test = generate(seed, { multiplyAdds: 2e8, sides: [9, 40], runs: 2 });
      const random = networkOf(test, false);
      const { height, width } = random.inputShape;
      for (const run of test.runs) {
        const planning = planOptions(test, random, run);
        const maskers = maskersOf(test).forEngine();
        const drawn = { batch: run.batch.length, height, width };
        const grouped = planning.plan ?? makePlan(random, { ...planning, maskers, ...drawn });
        await runRewritten(grouped, seed, async (edited) => expectSame(random, edited, drawn, maskers));
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(24);
  }, 60_000);

  it('is so with operators that run elsewhere, known by their shapes or not', async () => {
    const between = await importOnnx(
      model((g, x) => {
        const block = (input: string) =>
          g.activation(
            g.node('Add', [input, conv(g, g.activation(conv(g, input, 3, 3), 'relu'), 3, 3)]),
            'relu',
          );
        return block(g.node('Elu', [block(x)]));
      }),
      'between',
    );
    const size = { batch: 1, height: 8, width: 8 };
    for (const strategy of ['dense', 'streamed']) {
      const plan = makePlan(between, { strategy, granularity: 2, ...size });
      const program = expectSame(between, plan, size);
      expect(program.placed.parts.map(({ part }) => part.steps[0]?.operations[0]?.kind)).toContain('foreign');
      expect(program.placed.output).toBeDefined();
      const values = new Map(networkShapes(between, size).values);
      const cut = between.nodes.find(({ kind }) => kind === 'foreign')!;
      values.set(cut.output, undefined);
      const { blocks } = networkShapes(between, size);
      const ended = costedProgram(between, plan, { values, blocks });
      expect(ended.placed.output).toBeUndefined();
      expect(ended.lowered.output).toBeUndefined();
      expect(ended.placed.parts.length).toBe(between.nodes.indexOf(cut) + 2);
    }
  });

  it('has one part for the blocks that are alike', () => {
    const network = builtNetwork('resnet101');
    const size = { batch: 1, height: 224, width: 224 };
    const plan = makePlan(network, { strategy: 'streamed', granularity: [8, 4, 7, 1], ...size });
    const { placed } = programOfPlan(network, plan, networkShapes(network, size), undefined);
    const stage = network.nodes.flatMap((node, i) =>
      node.kind === 'block' && node.block.stage === 2 ? [placed.parts[i + 1]!.part] : [],
    );
    expect(stage.length).toBe(23);
    // The first projects, the second pools where nothing is pooled yet, and the last pools for another grid.
    expect(new Set(stage).size).toBeLessThanOrEqual(4);
  });

  it('keeps no weights of the network that it was first made for', () => {
    const network = builtNetwork('regnet_y_800mf');
    const size = { batch: 1, height: 224, width: 224 };
    const plan = makePlan(network, { strategy: 'streamed', granularity: 4, ...size });
    const { placed } = programOfPlan(network, plan, networkShapes(network, size), undefined);
    const kept = placed.parts.flatMap(({ part }) =>
      part.steps.flatMap(({ operations }) =>
        operations.flatMap((operation) =>
          operation.kind === 'convolve'
            ? [operation.convolution]
            : operation.kind === 'excite'
              ? [operation.attention.gate]
              : [],
        ),
      ),
    );
    expect(kept.length).toBeGreaterThan(50);
    expect(kept.every(({ weight, bias }) => weight.length + bias.length === 0)).toBe(true);
  });

  it('is the same whatever was predicted before', () => {
    const device = calibratedDevice();
    const figures = (order: readonly number[]) => {
      const network = builtNetwork('resnet50');
      const times = order.map((S) => [
        S,
        predict(network, { device, strategy: 'streamed', granularity: S, threads: 1 }),
      ]);
      return new Map(times as [number, unknown][]);
    };
    const [upward, downward] = [figures([1, 2, 3, 4, 5]), figures([5, 4, 3, 2, 1])];
    for (const [S, profile] of upward) expect(downward.get(S)).toEqual(profile);
  });
});
