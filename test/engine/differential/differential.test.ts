import { describe, expect, it } from 'vitest';
import { FAMILIES, type Family, wholeNetwork } from './architectures.js';
import { type Case, describeRun, type MaskerKind, type RunCase, summary } from './case.js';
import { check, TOLERANCE } from './check.js';
import { generate } from './generate.js';

/** Every run of a case computes what the oracle computes. */
async function agrees(test: Case): Promise<void> {
  const { failure, runs, unclear, worst } = await check(test);
  const failed = failure && `${describeRun(test.runs[failure.run]!)}: ${failure.kind}: ${failure.message}`;
  expect(failed, summary(test)).toBeUndefined();
  expect(runs).toBeGreaterThan(0);
  expect(worst).toBeLessThanOrEqual(TOLERANCE);
  // Margins are made wide; more than a handful of cells in doubt would mean that nothing is compared.
  expect(unclear).toBe(0);
}

/** Whole networks at the sizes that people use, by the strategies that they can name. */
const networks: readonly {
  name: string;
  family: Family;
  counts: readonly number[];
  S: readonly number[];
  masker: MaskerKind;
  height: number;
  width: number;
  excitation?: 'active';
}[] = [
  {
    name: 'ResNet-50',
    family: FAMILIES.bottleneck,
    counts: [3, 4, 6, 3],
    S: [8, 4, 7, 1],
    masker: 'learned',
    height: 224,
    width: 224,
  },
  {
    name: 'ResNet-18',
    family: FAMILIES.basic,
    counts: [2, 2, 2, 2],
    S: [4, 4, 2, 1],
    masker: 'saliency',
    height: 192,
    width: 256,
  },
  {
    name: 'SE-ResNet-18',
    family: FAMILIES.squeezedBasic,
    counts: [2, 2, 1, 1],
    S: [5, 3, 2, 0],
    masker: 'learned',
    height: 160,
    width: 160,
  },
  {
    name: 'ResNeXt',
    family: FAMILIES.resnext,
    counts: [2, 2, 1, 1],
    S: [7, 5, 3, 0],
    masker: 'custom',
    height: 224,
    width: 176,
  },
  {
    name: 'RegNetY',
    family: FAMILIES.regnetY400,
    counts: [1, 3, 6, 2],
    S: [4, 4, 7, 1],
    masker: 'learned',
    height: 224,
    width: 224,
    excitation: 'active',
  },
  {
    name: 'MobileNetV2',
    family: FAMILIES.mobilenetV2,
    counts: [2, 3, 4, 3, 3],
    S: [1, 4, 2, 2, 1],
    masker: 'saliency',
    height: 224,
    width: 224,
  },
];

describe('whole networks', () => {
  it.each(networks)(
    '$name at $height x $width, $masker masks: the oracle’s answer by every strategy, alone and in a batch',
    async ({ family, counts, S, masker, height, width, excitation }) => {
      const plain: RunCase = { backend: 'native', plan: 'unfused', threads: 1, bandPixels: 0, batch: [0, 1] };
      await agrees({
        ...wholeNetwork(family, counts, S, masker, 0.5),
        ...{
          seed: 5,
          skips: [],
          classes: 100,
          height,
          width,
          pictures: 2,
          excitation: excitation ?? 'exact',
        },
        runs: [
          plain,
          { ...plain, plan: 'streamed' },
          { ...plain, plan: 'streamed', threads: 2 },
          { ...plain, plan: 'streamed', threads: 2, batch: [1] },
          { ...plain, plan: 'lasnet', threads: 2 },
          { ...plain, plan: 'auto', threads: 2, batch: [1, 0] },
          { ...plain, plan: 'one pass', threads: 2, batch: [0] },
          { ...plain, plan: 'mixed', threads: 2, batch: [0] },
          { ...plain, backend: 'onnx', plan: 'streamed', batch: [0] },
        ],
      });
    },
  );
});

describe('random networks, masks and plans', () => {
  const seeds = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
  it.each(seeds(150))('small, seed %i', async (seed) => {
    await agrees(generate(seed, { multiplyAdds: 5e7, sides: [20, 100], runs: 8 }));
  });
  it.each(seeds(15))('middling, seed %i', async (seed) => {
    await agrees(generate(seed, { multiplyAdds: 4e8, sides: [96, 240], runs: 6 }));
  });
});
