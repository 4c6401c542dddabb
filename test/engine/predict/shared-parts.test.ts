import {
  builtNetwork,
  type Device,
  getDevice,
  makePlan,
  type Network,
  predict,
  randomMasker,
} from '@fovea/engine';
import { nativeBackend, networkShapes } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { joinParts } from '../../../engine/src/backends/native/encoded-part.js';
import type { Masker } from '../../../engine/src/mask/mask.js';
import { blocksOf } from '../../../engine/src/network/network.js';
import type { Plan } from '../../../engine/src/plan/plan.js';
import { expectedCoverage } from '../../../engine/src/predict/coverage.js';
import {
  type CostedProgram,
  programOfPlan,
  wholeProgram,
} from '../../../engine/src/predict/program-cost/costed-program.js';
import { nativeAmounts } from '../../../engine/src/predict/program-cost/describer.js';
import { passCosts } from '../../../engine/src/predict/program-cost/pass-costs.js';
import type { PlacedParts } from '../../../engine/src/predict/program-cost/placed-parts.js';
import { generate, generateWhole } from '../differential/generate.js';
import { maskersOf } from '../differential/maskers.js';
import { networkOf } from '../differential/network.js';
import { planOptions } from '../differential/plans.js';

interface Size {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
}

function calibrated(): Device {
  const costs = Object.fromEntries((nativeAmounts() ?? []).map(({ name }, i) => [name, 3e-8 * (1 + i / 7)]));
  return {
    ...getDevice('cpu-avx2'),
    calibration: {
      kind: 'native',
      isa: 'avx2',
      machine: { nearBytes: 2 ** 19, farBytes: 2 ** 25 },
      fits: [1, 4].map((threads) => ({ threads, costs, runMs: 0.1, medianError: 0.02, samples: 100 })),
    },
  };
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
      numbers: { convolutions: part.convolutions.map(numberOf), deciders: new Int32Array(part.deciders) },
    })),
    input,
    output,
  );
}

/** A plan's program made of shared parts, and lowered as a whole. */
function bothWays(network: Network, plan: Plan, size: Size, maskers?: readonly Masker[]) {
  const shared = programOfPlan(network, plan, networkShapes(network, size), maskers);
  const { lowered } = shared;
  const plain = wholeProgram(network, plan, lowered);
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
  for (const device of [calibrated(), getDevice('v100')]) {
    for (const threads of device.kind === 'cpu' ? [1, 3] : [1]) {
      const setting = { device, batch: size.batch, threads };
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
    const device = calibrated();
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
