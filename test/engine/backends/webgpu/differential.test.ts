import { describe, expect, it } from 'vitest';
import { FAMILIES, wholeNetwork } from '../../differential/architectures.js';
import { type Case, describeRun, type RunCase, summary } from '../../differential/case.js';
import { check, TOLERANCE } from '../../differential/check.js';
import { generate } from '../../differential/generate.js';
import { missingOf } from '../../support/backends.js';

const there = it.skipIf((await missingOf('webgpu')) !== undefined);

/** A case's runs on the GPU instead, each plan and batch once. */
function onGpu(test: Case): Case {
  const runs = test.runs.map((run): RunCase => ({ ...run, backend: 'webgpu', threads: 1, bandPixels: 0 }));
  const seen = new Map(runs.map((run) => [JSON.stringify(run), run]));
  return { ...test, runs: [...seen.values()] };
}

async function agrees(test: Case): Promise<void> {
  const { failure, runs, unclear, worst } = await check(test);
  const failed = failure && `${describeRun(test.runs[failure.run]!)}: ${failure.kind}: ${failure.message}`;
  expect(failed, summary(test)).toBeUndefined();
  expect(runs).toBe(2 * test.runs.length);
  expect(worst).toBeLessThanOrEqual(TOLERANCE);
  expect(unclear).toBe(0);
}

/** A software driver compiles shaders for seconds each, on a busy machine for much longer. */
const patient = { timeout: 300_000 };

describe('backend webgpu: the oracle’s answer for random networks, masks and plans', patient, () => {
  const seeds = Array.from({ length: 24 }, (_, i) => i + 1);
  there.each(seeds)('small, seed %i', async (seed) => {
    await agrees(onGpu(generate(seed, { multiplyAdds: 1e7, sides: [20, 64], runs: 4 })));
  });
});

/** Every family of torchvision that the importer reads, its own widths, on small pictures. */
const families = [
  { name: 'ResNet-18', family: FAMILIES.basic, counts: [1, 1, 1, 1] },
  { name: 'ResNet-50', family: FAMILIES.bottleneck, counts: [1, 2, 1, 1] },
  { name: 'ResNeXt', family: FAMILIES.resnext, counts: [1, 1, 1, 0] },
  { name: 'Wide ResNet', family: FAMILIES.wide, counts: [1, 1, 0, 0] },
  { name: 'RegNetY', family: FAMILIES.regnetY400, counts: [1, 1, 1, 1] },
  { name: 'RegNetX', family: FAMILIES.regnetX800, counts: [1, 1, 1, 0] },
  { name: 'MobileNetV2', family: FAMILIES.mobilenetV2, counts: [1, 2, 2, 1, 1] },
  { name: 'MobileNetV3', family: FAMILIES.mobilenetV3, counts: [1, 1, 1, 1, 1] },
] as const;

describe('backend webgpu: the oracle’s answer for families of networks', patient, () => {
  there.each(families)('$name at 64 x 72', async ({ family, counts }) => {
    const plain: RunCase = {
      ...{ backend: 'webgpu', plan: 'streamed', threads: 1, bandPixels: 0, batch: [0] },
    };
    await agrees({
      ...wholeNetwork(
        family,
        counts,
        counts.map((_, stage) => [4, 2, 2, 1, 1][stage]!),
        'learned',
        0.5,
      ),
      ...{ seed: 3, skips: [], classes: 10, height: 64, width: 72, pictures: 1, excitation: 'exact' },
      runs: [plain, { ...plain, plan: 'lasnet' }],
    });
  });
});
