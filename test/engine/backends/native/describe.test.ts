import { builtNetwork, type Network, type Strategy } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { type InferAddon, inferAddon } from '../../../../engine/src/backends/native/addon.js';
import {
  type EncodedProgram,
  encodeProgram,
  geometryWords,
  normalisationValues,
} from '../../../../engine/src/backends/native/encode.js';
import { nativeBackend } from '../../../../engine/src/backends/native/index.js';
import { OperandWriter } from '../../../../engine/src/backends/native/operands.js';
import { attentionLayers } from '../../../../engine/src/network/attention.js';
import type { Convolution } from '../../../../engine/src/network/network.js';
import { weightBytesOf } from '../../../../engine/src/network/weight-bytes.js';
import { expectedCoverage } from '../../../../engine/src/predict/coverage.js';
import type { CostedProgram } from '../../../../engine/src/predict/program-cost/costed-program.js';
import {
  Describer,
  nativeAmounts,
  tallyNames,
} from '../../../../engine/src/predict/program-cost/describer.js';
import type { AttentionKind } from '../../support/attention.js';
import { convNext } from '../../support/convnext.js';
import { prepare } from '../../support/prepared-program.js';
import { ordered, shuffledCells } from '../../support/rewrites.js';
import { smallNetwork } from '../../support/small-network.js';

const caches = { nearBytes: 2 ** 20, farBytes: 2 ** 25 };

/** What convolutions did, or would do, in each step of a program. */
type Tallies = readonly Readonly<Record<(typeof tallyNames)[number], number>>[];

/** Sums rows of an encoded program by its steps: a stream is counted as one. */
function bySteps(program: CostedProgram, rowOf: (at: number) => ArrayLike<number>): Tallies {
  let at = 0;
  return program.lowered.steps.map(({ operations }) => {
    const count = operations.length > 1 ? operations.length + 1 : 1;
    const sums = Object.fromEntries(tallyNames.map((name) => [name, 0])) as Record<string, number>;
    for (let i = 0; i < count; i++) {
      const row = rowOf(at + i);
      tallyNames.forEach((name, k) => {
        sums[name]! += row[k]!;
      });
    }
    at += count;
    return sums as Tallies[number];
  });
}

class Session {
  readonly #addon: InferAddon = inferAddon();
  readonly #handle = this.#addon.inferOpen(0);
  readonly #numbers = new Map<Convolution, number>();

  constructor(readonly network: Network) {}

  async pack(): Promise<this> {
    for (const node of this.network.nodes) {
      const attention = node.kind === 'block' ? node.block.attention : undefined;
      const convolutions =
        node.kind === 'convolution'
          ? [node.convolution]
          : node.kind === 'block'
            ? [
                ...node.block.branch,
                ...(node.block.projection ? [node.block.projection] : []),
                ...attentionLayers(attention).map(({ convolution }) => convolution),
              ]
            : [];
      for (const convolution of convolutions) {
        const { weight, bias } = convolution;
        this.#numbers.set(
          convolution,
          await this.#addon.inferConvolution(
            this.#handle,
            geometryWords(convolution),
            weight,
            bias,
            new Float32Array(),
            normalisationValues(convolution),
          ),
        );
      }
    }
    return this;
  }

  /** Runs a program and counts. */
  async count(program: CostedProgram, cells: Uint8Array, threads: number): Promise<Tallies> {
    const encoded: EncodedProgram = encodeProgram(program.lowered, {
      convolution: (convolution) => this.#numbers.get(convolution)!,
      masker: () => 0,
      bias: () => 0,
    });
    const number = this.#addon.inferProgram(this.#handle, ...encoded.tables);
    const { input } = program.lowered;
    const [N, H, W, C] = input.shape;
    this.#addon.inferWrite(this.#handle, number, input.id, new Float32Array(N * H * W * C).fill(0.5));
    this.#addon.inferWriteMasks(this.#handle, number, cells);
    const { length } = encoded.instructions;
    await this.#addon.inferRun(this.#handle, number, 0, length, threads, 2, undefined);
    const tallies = new Float64Array(length * tallyNames.length);
    this.#addon.inferTallies(this.#handle, number, tallies);
    this.#addon.inferDropProgram(this.#handle, number);
    return bySteps(program, (at) => tallies.subarray(at * tallyNames.length));
  }

  close(): void {
    this.#addon.inferClose(this.#handle);
  }
}

const attending = (attention: AttentionKind) => () =>
  smallNetwork({
    excite: true,
    exciteAfter: 2,
    attention,
    channels: 24,
    width: 16,
    height: 40,
    mapWidth: 40,
  });

const strategies: [string, string | Strategy][] = [
  ...['dense', 'unfused', 'lasnet', 'streamed'].map((name): [string, string] => [name, name]),
  ['lasnet in another order of cells', ordered('lasnet', shuffledCells)],
  ['streamed in another order of cells', ordered('streamed', shuffledCells)],
];

const networks: [string, number, () => Network][] = [
  ['resnet18', 96, () => builtNetwork('resnet18')],
  ['mobilenet_v2', 128, () => builtNetwork('mobilenet_v2')],
  ['regnet_y_800mf', 96, () => builtNetwork('regnet_y_800mf')],
  ['ECA', 40, attending('slide')],
  ['CBAM', 40, attending('pixels')],
  [
    'separable convolutions',
    56,
    () =>
      smallNetwork({ kind: 'separable', channels: 24, width: 32, height: 56, mapWidth: 56, learned: false }),
  ],
  ['ConvNeXt', 96, () => convNext({ channels: [24, 40], blocks: 1, learned: false })],
];

describe.skipIf(nativeBackend.unavailable !== undefined)('what is described', () => {
  const isa = nativeBackend.unavailable === undefined ? inferAddon().inferKernels() : '';

  it.each(networks)(
    'is what runs: %s',
    async (_, side, make) => {
      const network = make();
      const session = await new Session(network).pack();
      const describer = new Describer(isa, nativeAmounts()!);
      try {
        for (const threads of [1, 2, 3]) {
          for (const [name, strategy] of strategies) {
            for (const [granularity, rate] of [
              [4, 1],
              [4, 0.4],
              [1, 0.2],
              [2, 0],
            ] as const) {
              const { program, cells, counts } = prepare(network, strategy, granularity, rate, side);
              const { rows } = describer.describe(program, counts, threads, caches, weightBytesOf(network));
              const { values } = describer.layout;
              const described = bySteps(program, (at) => rows.subarray(at * values));
              const executed = await session.count(program, cells, threads);
              executed.forEach((ran, step) => {
                const { operations } = program.lowered.steps[step]!;
                const said = described[step]!;
                const convolutions = operations.filter(({ kind }) => kind === 'convolve').length;
                const where = `${name} S ${granularity} rate ${rate} threads ${threads} step ${step}`;
                const partial = rate > 0 && rate < 1 && operations.some((operation) => 'region' in operation);
                expect(said.units, `units, ${where}`).toBeCloseTo(ran.units, 6);
                // Which pixels of a list a band has follows from where they lie, which counts do not show.
                if (partial && Math.max(ran.bands, said.bands) > convolutions) {
                  for (const count of ['bands', 'items', 'tiles'] as const) {
                    expect(said[count], `${count}, ${where}`).toBeGreaterThan(0.6 * ran[count] - 4);
                    expect(said[count], `${count}, ${where}`).toBeLessThan(1.5 * ran[count] + 4);
                  }
                  return;
                }
                expect(said, where).toEqual(ran);
              });
            }
          }
        }
      } finally {
        session.close();
      }
    },
    120_000,
  );

  it('counts something: a run of everything computes every pixel of every convolution', async () => {
    const network = builtNetwork('mobilenet_v2');
    const { program, counts } = prepare(network, 'dense', 1, 1, 64);
    const describer = new Describer(isa, nativeAmounts()!);
    const { rows } = describer.describe(program, counts, 1, caches, weightBytesOf(network));
    const described = bySteps(program, (at) => rows.subarray(at * describer.layout.values));
    const pixels = program.lowered.steps.map(({ operations }) =>
      operations.reduce(
        (sum, operation) =>
          operation.kind === 'convolve'
            ? sum + operation.destination.shape[1] * operation.destination.shape[2]
            : sum,
        0,
      ),
    );
    expect(described.map(({ units }) => units)).toEqual(pixels);
  });

  it.each(['unfused', 'lasnet', 'streamed'])('is nothing where a mask is empty: %s', (strategy) => {
    const network = builtNetwork('mobilenet_v2');
    const describer = new Describer(isa, nativeAmounts()!);
    /** Sum of all amounts of each step that works at active pixels only. */
    const ofActive = (rate: number) => {
      const { program, counts } = prepare(network, strategy, 2, rate, 64);
      const { rows } = describer.describe(program, counts, 1, caches, weightBytesOf(network));
      const { values, amounts } = describer.layout;
      let at = 0;
      return program.lowered.steps.flatMap(({ operations }) => {
        const first = at;
        at += operations.length > 1 ? operations.length + 1 : 1;
        const isActive = operations.every(
          (operation) =>
            operation.kind === 'gather' ||
            operation.kind === 'scatter-add' ||
            (operation.kind === 'convolve' && operation.region !== undefined),
        );
        if (!isActive) return [];
        let sum = 0;
        for (let row = first; row < at; row++)
          for (let i = 0; i < describer.amounts.length; i++) sum += rows[row * values + amounts + i]!;
        return [sum];
      });
    };
    const some = ofActive(0.5);
    expect(some.filter((sum) => sum > 0).length).toBeGreaterThan(5);
    expect(ofActive(0)).toEqual(some.map(() => 0));
  });

  it('is as monotone as it is smooth: more expected pixels are never fewer of anything', () => {
    const network = builtNetwork('resnet18');
    const { program } = prepare(network, 'streamed', 2, 0.5, 96);
    const describer = new Describer(isa, nativeAmounts()!);
    const { regions, masks } = program.lowered;
    const at = (share: number) => {
      const { rows } = describer.describe(
        program,
        {
          pixels: Float64Array.from(regions, ({ pixels }) => share * pixels),
          squares: Float64Array.from(
            regions,
            ({ height, width }) => share * Math.ceil(height / 2) * Math.ceil(width / 2),
          ),
          expected: new Float64Array(masks.length).fill(1),
        },
        2,
        caches,
        weightBytesOf(network),
      );
      return rows.slice();
    };
    let before = at(0);
    for (let share = 0.05; share < 1; share += 0.05) {
      const now = at(share);
      now.forEach((value, i) => {
        const column = i % describer.layout.values;
        if (column >= describer.layout.amounts) return;
        expect(value, `${share} column ${column}`).toBeGreaterThanOrEqual(before[i]! * (1 - 1e-12));
      });
      before = now;
    }
  });

  it.each(['squeeze', 'slide', 'pixels', 'response'] as const)(
    'is made of numbers where less than a pixel is expected: %s',
    (attention) => {
      const network = attending(attention)();
      const describer = new Describer(isa, nativeAmounts()!);
      for (const strategy of ['unfused', 'lasnet', 'streamed']) {
        const { program } = prepare(network, strategy, 1, 0.5, 40);
        for (const rate of [1e-12, 1e-6, 1e-3]) {
          const counts = program.counts(({ block, shape }) => expectedCoverage(block, shape, 1, rate, 1));
          const { rows } = describer.describe(program, counts, 2, caches, weightBytesOf(network));
          expect(rows.findIndex((value) => !(value >= 0))).toBe(-1);
        }
      }
    },
  );

  it('has weights come from where they are held since the run before', () => {
    const network = builtNetwork('mobilenet_v2');
    const { program, counts } = prepare(network, 'dense', 1, 1, 64);
    const describer = new Describer(isa, nativeAmounts()!);
    const { values, amounts: first } = describer.layout;
    const names = describer.amounts.map(({ name }) => name);
    const pairs = names.filter((name) => name.startsWith('arrivals'));
    /** Of the classifier, which computes one pixel: its multiply-adds, and what they are by each pair of arrivals. */
    const classifier = (weightBytes: number) => {
      const { rows } = describer.describe(program, counts, 1, caches, weightBytes);
      const last = rows.length - values + first;
      const at = (name: string) => rows[last + names.indexOf(name)]!;
      return { computed: at('multiplyAdds'), arrived: new Map(pairs.map((name) => [name, at(name)])) };
    };
    expect(pairs).toHaveLength(6);
    const [small, own, large] = [0, weightBytesOf(network), 100 * caches.farBytes].map(classifier);
    for (const pair of pairs) {
      const [farRows, memoryRows] = pair.match(/\d+/g)!.map(Number) as [number, number];
      const [near, far, memory] = [small!, own!, large!].map(({ arrived }) => arrived.get(pair)!);
      expect(near).toBeGreaterThanOrEqual(small!.computed * (1 - 1e-9));
      expect(far).toBeGreaterThanOrEqual(near! * (1 - 1e-9));
      expect(memory).toBeGreaterThan(far!);
      // A tile of one pixel takes as long as eight sums do: a panel has two vectors or more.
      if (farRows >= 5) expect(far).toBeGreaterThan(1.2 * small!.computed);
      expect(memory! / large!.computed).toBeGreaterThan(0.99 * (memoryRows / 8));
      expect(memory! / large!.computed).toBeLessThan(1.01 * memoryRows);
    }
    expect(own!.computed).toBe(large!.computed);
  });

  it('has blocks of many pixels hide all that arrives', () => {
    const network = builtNetwork('resnet18');
    const { program, counts } = prepare(network, 'dense', 1, 1, 224);
    const describer = new Describer(isa, nativeAmounts()!);
    const { values, amounts: first } = describer.layout;
    const { rows } = describer.describe(program, counts, 1, caches, 100 * caches.farBytes);
    const names = describer.amounts.map(({ name }) => name);
    const stem = names.map((_, i) => rows[first + i]!);
    expect(stem[names.indexOf('multiplyAdds')]).toBeGreaterThan(0);
    names.forEach((name, i) => {
      if (!name.startsWith('arrivals')) return;
      expect(stem[i]! / stem[names.indexOf('multiplyAdds')]!).toBeCloseTo(1, 6);
    });
    expect(rows.length % values).toBe(0);
  });

  it('is refused for counts and sessions that make no sense', () => {
    const addon = inferAddon();
    expect(() => addon.inferOutlines('abacus')).toThrow(/abacus.*avx512/);
    const session = addon.inferOutlines('portable');
    const geometry = Int32Array.of(1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0);
    const [one, nothing] = [new Float32Array(1), new Float32Array()];
    expect(() => addon.inferConvolution(session, geometry, one, one, nothing, nothing)).toThrow(
      /packs no weights/,
    );
    const outline = addon.inferOutline(session, geometry);
    const program = addon.inferProgram(
      session,
      Float64Array.of(4, 4),
      Int32Array.of(0, 1, 2, 2, 1, 1, 1, 2, 2, 1),
      new Int32Array(0),
      new Int32Array(0),
      new Int32Array(0),
      new OperandWriter(1).begin('convolve').numbers([outline, 0, 1, -1, 0, 0, 0, -1, 0, -1]).words,
      Int32Array.of(0, 0, 1, 1, 1, 0),
      new Int32Array(0),
    );
    const rows = new Float64Array(tallyNames.length + 1 + 2 * nativeAmounts()!.length);
    const none = new Float64Array(0);
    const ask = (threads: number, near: number, far: number, counts = none, to = rows, weights = 0) =>
      addon.inferDescribe(session, program, threads, near, far, weights, counts, to);
    ask(1, 2 ** 20, 2 ** 25);
    expect(rows.slice(0, 4)).toEqual(Float64Array.of(1, 1, 1, 4));
    expect(() => ask(0, 2 ** 20, 2 ** 25)).toThrow(/threads 0/);
    expect(() => ask(1, 0, 2 ** 25)).toThrow(/cache sizes/);
    expect(() => ask(1, 1, 2, none, rows, -1)).toThrow(/weightBytes/);
    expect(() => ask(1, 1, 2, Float64Array.of(-1))).toThrow(/counts has 1 values/);
    expect(() => ask(1, 1, 2, none, none)).toThrow(/rows has 0 values/);
    expect(() => addon.inferRun(session, program, 0, 1, 1, 0, undefined)).toThrow(/runs none/);
    expect(() => addon.inferWrite(session, program, 0, new Float32Array(4))).toThrow(/holds no values/);
    addon.inferClose(session);
  });
});
