import { readFileSync } from 'node:fs';
import { builtNetwork, getDevice, predict } from '@fovea/engine';
import { predictRow, type ReferenceRow, type ReferenceTable, recomputeTable } from '@fovea/engine/predict';
import { describe, expect, it } from 'vitest';
import { smallNetwork } from '../support/small-network.js';

const reference = JSON.parse(
  readFileSync(new URL('../../fixtures/dynetsimulator_reference.json', import.meta.url), 'utf8'),
) as ReferenceTable & {
  rows: (ReferenceRow & { id: string; deterministic: boolean; latency_s: number })[];
  networks: Record<string, unknown>[];
};

const apart = (value: number, wanted: number) => Math.abs(value - wanted) / Math.abs(wanted);

describe('the published model reproduces the published simulator', () => {
  const computed = recomputeTable(reference);

  for (const [index, row] of reference.rows.entries()) {
    const tolerance = row.deterministic ? 1e-9 : 2e-3;
    it(`${row.id} to ${tolerance}`, () => {
      const answer = computed.rows![index]!;
      for (const field of [
        'latency_s',
        'latency_us_per_image',
        'compute_latency_s',
        'memory_latency_s',
      ] as const) {
        const wanted = row[field];
        if (typeof wanted !== 'number') continue;
        if (wanted === 0) expect(answer[field]).toBe(0);
        else expect(apart(answer[field] as number, wanted), field).toBeLessThan(tolerance);
      }
      if (row.deterministic) expect(answer.best_tile).toEqual(row.best_tile);
    });
  }

  for (const [index, entry] of reference.networks.entries()) {
    const figures = Object.entries(entry).filter(([, value]) => typeof value === 'number');
    it(`${String(entry.net)} on ${String(entry.hardware)}: ${figures.length} totals to 1e-9`, () => {
      expect(figures.length).toBeGreaterThan(0);
      for (const [figure, wanted] of figures) {
        const value = computed.networks![index]![figure] as number;
        expect(apart(value, wanted as number), figure).toBeLessThan(1e-9);
      }
    });
  }

  it('keeps everything in the document that is not a figure', () => {
    expect(computed.rows![0]!.id).toBe(reference.rows[0]!.id);
    expect(Object.keys(computed)).toEqual(Object.keys(reference));
  });
});

/** Figures, in microseconds for the whole batch, that the published simulator printed with two decimals. */
const printed: [op: string, hardware: string, config: Record<string, unknown>, microseconds: number][] = [
  ['conv', 'tx2', { cin: 64, cout: 64, h: 56, w: 56, ks: 3 }, 393.06],
  ['conv', 'nano', { cin: 320, cout: 320, h: 14, w: 14, ks: 3, groups: 20 }, 120.24],
  ['conv', '3060', { cin: 512, cout: 512, h: 7, w: 7, ks: 3 }, 2953.37],
  ['dynamic_conv', 'v100', { cin: 64, cout: 64, h: 56, w: 56, ks: 3, S: 1, r: 0.5 }, 7493.38],
  ['dynamic_conv', 'tx2', { cin: 64, cout: 64, h: 56, w: 56, ks: 3, S: 4, r: 0.25 }, 118.72],
  ['dynamic_conv', 'nano', { cin: 128, cout: 128, h: 56, w: 56, ks: 3, stride: 2, S: 4, r: 0.5 }, 627.85],
  ['masker_conv1', 'v100', { cin: 256, cout: 64, h: 56, w: 56, S: 4, r: 0.5 }, 1921.78],
  ['se', 'nano', { c: 320, h: 14, w: 14, squeeze: 80 }, 85.03],
  ['block_static', 'v100', { net: 'resnet101', stage: 1 }, 7863.29],
  ['block_spatial', 'v100', { net: 'resnet101', stage: 1, S: 1, r: 0.5 }, 13161.2],
  ['block_static', 'tx2', { net: 'resnet101', stage: 1 }, 1061.01],
  ['block_spatial', 'tx2', { net: 'resnet101', stage: 4, S: 1, r: 0.75 }, 984.63],
];

describe('rows known by their printed figure', () => {
  for (const [op, hardware, config, microseconds] of printed) {
    it(`${op} on ${hardware}: ${microseconds} µs`, () => {
      const batch = getDevice(hardware).nominalBatch;
      const { latency } = predictRow({ op, hardware, batch, config });
      expect(latency * 1e6).toBeCloseTo(microseconds, 1);
    });
  }
});

describe('bad rows are refused by name', () => {
  const good = {
    op: 'gather',
    hardware: 'v100',
    batch: 1,
    config: { c: 8, h: 8, w: 8, S: 4, r: 0.5, pad: 1 },
  };
  const bad: [name: string, row: ReferenceRow, message: RegExp][] = [
    ['an unknown op', { ...good, op: 'warp' }, /'warp'.*dynamic_conv/],
    ['an inherited name as op', { ...good, op: 'constructor' }, /'constructor'/],
    ['an unknown device', { ...good, hardware: 'abacus' }, /'abacus'.*v100, rtx3090/],
    ['a rate above 1', { ...good, config: { ...good.config, r: 1.5 } }, /r is 1\.5, expected 0…1/],
    ['a granularity below 1', { ...good, config: { ...good.config, S: 0 } }, /S is 0/],
    ['a missing field', { ...good, config: {} }, /c is undefined/],
    ['a batch of 0', { ...good, batch: 0 }, /batch 0;/],
    [
      'an unknown network',
      { ...good, op: 'block_static', config: { net: 'alexnet', stage: 1 } },
      /'alexnet'/,
    ],
    [
      'a stage there is none of',
      { ...good, op: 'block_static', config: { net: 'resnet50', stage: 5 } },
      /stage 5/,
    ],
  ];
  for (const [name, row, message] of bad) {
    it(name, () => {
      expect(() => predictRow(row)).toThrow(message);
    });
  }

  it('a document without rows or networks', () => {
    expect(() => recomputeTable({})).toThrow(/rows or networks/);
  });

  it('a figure that is not a figure', () => {
    const networks = [{ hardware: 'v100', net: 'resnet50', magic_ms_per_image: 1 }];
    expect(() => recomputeTable({ networks })).toThrow(/'magic_ms_per_image'/);
  });
});

describe('a network predicted with the published model', () => {
  const question = { device: 'v100', model: 'published', rate: 0.5 } as const;

  it.each(['dense', 'unfused', 'lasnet', 'streamed'])(
    'has a time for maps narrower than a stride, %s',
    (strategy) => {
      // The last stage's stride finds a single pixel.
      const { blocks } = predict(builtNetwork('resnet50'), { ...question, strategy, height: 16, width: 16 });
      for (const { name, totalMs } of blocks) expect(totalMs, name).toBeGreaterThan(0);
    },
  );

  it.each([
    ['four convolutions', smallNetwork({ kind: 'preactivated' })],
    ['eight convolutions', smallNetwork({ kind: 'separable' })],
    ['attention', smallNetwork({ excite: true })],
    ['attention to pixels', smallNetwork({ excite: true, attention: 'pixels' })],
  ] as const)('counts all FLOPs of blocks with %s', (_, network) => {
    const counted = predict(network, { ...question, strategy: 'dense' });
    const wanted = predict(network, { ...question, model: 'fovea', strategy: 'dense' });
    expect(counted.blocks.map(({ flops }) => flops)).toEqual(wanted.blocks.map(({ flops }) => flops));
    expect(counted.flopsAvoided).toBe(0);
  });
});
