import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { blocksOf, loadNetwork, Random, run } from '@fovea/engine';
import { networkShapes } from '@fovea/engine/backend';
import {
  canTrain,
  type Dataset,
  imagesOf,
  loadRecipeData,
  parseRecipe,
  type Recipe,
  saveModel,
  train,
  trainedNetwork,
} from '@fovea/engine/train';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { denseBlockFlops } from '../../../engine/src/network/flops.js';
import { mostThreads } from '../../../engine/src/threads.js';
import { costsOf, layoutOf } from '../../../engine/src/train/architecture.js';
import { loadTrainingState, saveTrainingState } from '../../../engine/src/train/checkpoint.js';
import { measureInTraining } from '../../../engine/src/train/measure-in-training.js';
import { Parameters } from '../../../engine/src/train/parameters.js';
import {
  flopsBounds,
  gumbelNoise,
  gumbelTemperature,
  learningRate,
} from '../../../engine/src/train/schedule.js';
import { expectSaidOnce } from '../support/said-once.js';

const size = 32;
const labels = ['square', 'cross', 'ring'];

/** Bright figures on noise: enough to learn in seconds. */
function figures(count: number, seed: number): Dataset {
  const random = new Random(seed);
  const targets = Int32Array.from({ length: count }, (_, i) => i % labels.length);
  const pixels = new Uint8Array(count * size * size * 3);
  const regions = new Uint8Array(count * size * size);
  for (let n = 0; n < count; n++) {
    const [cx, cy] = [9 + random.below(14), 9 + random.below(14)];
    for (let p = 0; p < size * size; p++) {
      const [dx, dy] = [Math.abs((p % size) - cx), Math.abs(Math.floor(p / size) - cy)];
      const far = Math.max(dx, dy);
      const inside = [far < 7, far < 8 && Math.min(dx, dy) < 2, far < 8 && far > 4][targets[n]!]!;
      regions[n * size * size + p] = inside ? 1 : 0;
      for (let c = 0; c < 3; c++) {
        pixels[(n * size * size + p) * 3 + c] = (inside ? 200 : 60) + random.below(50);
      }
    }
  }
  return { height: size, width: size, count, labels, pixels, targets, regions };
}

const recipe: Recipe = {
  name: 'figures',
  seed: 5,
  batch: 12,
  architecture: { kind: 'bottleneck', layers: [1, 2], width: 8, size, classes: 3, granularity: [2, 1] },
  data: { kind: 'generated', train: 96, test: 30 },
  dense: { epochs: 4, rate: 0.05, decay: 1e-4, warmUp: 4, smoothing: 0.05 },
  adaptive: { epochs: 4, rate: 0.03, decay: 1e-4, target: 0.6, alwaysActive: 0.2 },
};
const data = { train: figures(96, 1), test: figures(30, 2) };

describe.skipIf(!canTrain())('training (needs the native kernels)', () => {
  let folder: string;
  let checkpoint: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'fovea-train-'));
    checkpoint = path.join(folder, 'run.state');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('learns the classes, then to keep to the FLOPs target without forgetting them', async () => {
    const reports: string[] = [];
    const longer = {
      ...recipe,
      dense: { ...recipe.dense, epochs: 8 },
      adaptive: { ...recipe.adaptive!, epochs: 10 },
    };
    const { dense, adaptive, allActive } = await train(longer, {
      ...data,
      threads: 2,
      onProgress: ({ phase, step, steps, leftMs }) => {
        reports.push(phase);
        expect(step).toBeLessThanOrEqual(steps);
        expect(leftMs).toBeGreaterThanOrEqual(0);
      },
    });
    expect(new Set(reports)).toEqual(new Set(['dense', 'adaptive']));
    expect(dense.accuracy).toBeGreaterThan(0.9);
    expect(adaptive!.accuracy).toBeGreaterThan(0.8);
    expect(allActive!.accuracy).toBeGreaterThan(0.8);
    expect(Math.abs(adaptive!.flops - 0.6)).toBeLessThan(0.12);
    expect(adaptive!.stages).toHaveLength(2);
  });

  it.each([
    ['the dense phase', 13],
    ['the adaptive phase', 32 + 13],
  ])('interrupted in %s, it ends with exactly the weights of an uninterrupted run', async (_, after) => {
    const whole = await train(recipe, { ...data, threads: 2 });

    const interruption = new AbortController();
    let batches = 0;
    // The dataset is asked for its targets once per image of a batch: a clock that counts steps.
    const counting = new Proxy(data.train, {
      get(target, key: keyof Dataset) {
        if (key === 'targets' && ++batches === after * recipe.batch) interruption.abort();
        return target[key];
      },
    });
    const { signal } = interruption;
    await expect(
      train(recipe, { ...data, train: counting, threads: 2, checkpoint, signal }),
    ).rejects.toMatchObject({
      code: 'aborted',
    });
    const state = await loadTrainingState(
      checkpoint,
      recipe,
      () => new Parameters(layoutOf(recipe.architecture)),
    );
    expect(state!.phase).toBe(after > 32 ? 'adaptive' : 'dense');
    expect(state!.step).toBeGreaterThan(0);

    const resumed = await train(recipe, { ...data, threads: 1, checkpoint });
    expect(resumed.parameters.values).toEqual(whole.parameters.values);
    expect(resumed.parameters.running).toEqual(whole.parameters.running);
    expect(resumed.adaptive).toEqual(whole.adaptive);
  });

  it('is refused while another run keeps its state in the same file', async () => {
    const { adaptive: _, ...denseOnly } = recipe;
    const brief = { ...denseOnly, dense: { ...recipe.dense, epochs: 1 } };
    const begin = () => train(brief, { ...data, threads: 1, checkpoint });
    const outcomes = await Promise.allSettled([begin(), begin()]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: {
        code: 'bad-argument',
        message: `a run that keeps its state in ${checkpoint} is under way in process ${process.pid}; one at a time is accepted`,
      },
    });
    expect(readdirSync(folder)).toEqual(['run.state']);
  });

  it('obeys the signal that a notebook has left for what its cells run', async () => {
    const place = globalThis as { [key: symbol]: unknown };
    place[Symbol.for('fovea.signal')] = AbortSignal.abort();
    try {
      await expect(train(recipe, { ...data, threads: 1, checkpoint })).rejects.toMatchObject({
        message: `training was aborted after step 1 of 32; ${checkpoint} holds where it stood`,
      });
    } finally {
      delete place[Symbol.for('fovea.signal')];
    }
  });

  it('stops when the loss diverges, and keeps the last good state', async () => {
    const wild = { ...recipe, adaptive: { ...recipe.adaptive!, rate: 1e5 } };
    const error = await train(wild, { ...data, threads: 2, checkpoint, saveEvery: 1 }).catch(
      (e: unknown) => e,
    );
    expect(error).toMatchObject({ code: 'diverged' });
    expect(String(error)).toMatch(/adaptive phase at step \d+ of 32.*rate \(100000\)/);
    const create = () => new Parameters(layoutOf(recipe.architecture));
    const kept = await loadTrainingState(checkpoint, wild, create);
    expect(kept!.phase).toBe('adaptive');
    expect(kept!.parameters.values.every((value) => Math.abs(value) < 100)).toBe(true);
    // What was kept is as good as the dense phase left it.
    const { accuracy } = await measureInTraining(kept!.parameters, data.test, { masked: false, threads: 2 });
    const dense = await measureInTraining(kept!.teacher!, data.test, { masked: false, threads: 2 });
    expect(accuracy).toBe(dense.accuracy);
  });

  it('names what differs when a state belongs to another recipe, and refuses damaged ones', async () => {
    const parameters = new Parameters(layoutOf(recipe.architecture));
    const velocity = new Float32Array(parameters.values.length);
    await saveTrainingState(checkpoint, recipe, { phase: 'dense', step: 3, parameters, velocity });
    const other = { ...recipe, dense: { ...recipe.dense, rate: 0.01 } };
    await expect(train(other, { ...data, threads: 1, checkpoint })).rejects.toThrow(
      /dense.rate was 0.05, is 0.01/,
    );
    writeFileSync(checkpoint, readFileSync(checkpoint).subarray(0, 5000));
    await expect(train(recipe, { ...data, threads: 1, checkpoint })).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining('remove it to start over'),
    });
    await saveTrainingState(checkpoint, recipe, { phase: 'dense', step: 3, parameters, velocity });
    const text = readFileSync(checkpoint, 'latin1').replace('\\"dense\\":', '\\"dense\\" ');
    writeFileSync(checkpoint, text, 'latin1');
    await expect(train(recipe, { ...data, threads: 1, checkpoint })).rejects.toThrow(
      /belongs to another recipe: .*; remove it to start over/,
    );
  });

  it('keeps the last good state when its last step leaves what is no number', async () => {
    const steps = recipe.dense.epochs * Math.floor(data.train.count / recipe.batch);
    const parameters = new Parameters(layoutOf(recipe.architecture));
    parameters.initialise(1);
    const velocity = new Float32Array(parameters.values.length);
    velocity[3] = Number.POSITIVE_INFINITY;
    await saveTrainingState(checkpoint, recipe, { phase: 'dense', step: steps - 1, parameters, velocity });
    const before = readFileSync(checkpoint);
    await expect(train(recipe, { ...data, threads: 2, checkpoint })).rejects.toMatchObject({
      code: 'diverged',
      message: expect.stringContaining(`step ${steps} of ${steps}`),
    });
    expect(readFileSync(checkpoint).equals(before)).toBe(true);
  });

  it('refuses recipes from code that are out of range', async () => {
    for (const change of [{ batch: 0 }, { batch: 1.5 }, { dense: { ...recipe.dense, rate: Number.NaN } }]) {
      const begin = () => train({ ...recipe, ...change }, { ...data, threads: 1 });
      await expectSaidOnce(begin, 'bad-argument', /^the recipe: /);
    }
  });

  it('measures the same whatever the batch', async () => {
    const parameters = new Parameters(layoutOf(recipe.architecture));
    parameters.initialise(3);
    const random = new Random(9);
    for (const { name } of parameters.learned)
      if (name.includes('masker'))
        parameters.get(name).forEach((_, i, all) => {
          all[i] = random.normal();
        });
    const at = (batch: number) =>
      measureInTraining(parameters, data.test, { masked: true, threads: 2, batch });
    const one = await at(1);
    expect(one.flops).toBeLessThan(0.99);
    for (const batch of [7, 29, 30]) {
      const { flops, accuracy, blocks } = await at(batch);
      expect(accuracy).toBe(one.accuracy);
      expect(flops).toBeCloseTo(one.flops, 5);
      blocks.forEach(({ rate }, b) => {
        expect(rate).toBeCloseTo(one.blocks[b]!.rate, 5);
      });
    }
  });

  it('takes all that loadRecipeData returns, and all cores, as the guide writes it', async () => {
    const tiny = parseRecipe(
      {
        ...recipe,
        architecture: { ...recipe.architecture, classes: 10 },
        data: { kind: 'generated', train: 12, test: 10 },
        dense: { ...recipe.dense, epochs: 1 },
        adaptive: undefined,
      },
      'tiny',
    );
    const { dense } = await train(tiny, { ...(await loadRecipeData(tiny)), onProgress: () => undefined });
    expect(dense.images).toBe(10);
  });

  it('takes as many threads as a run does', async () => {
    const signal = AbortSignal.abort();
    await expect(train(recipe, { ...data, threads: mostThreads, signal })).rejects.toMatchObject({
      code: 'aborted',
    });
  });

  it('refuses images that do not fit the recipe', async () => {
    const fewer = { ...data, train: figures(5, 1), threads: 1 };
    await expect(train(recipe, fewer)).rejects.toThrow(/5 images to train on/);
    const wider = { ...recipe, architecture: { ...recipe.architecture, classes: 4 } };
    await expect(train(wider, { ...data, threads: 1 })).rejects.toThrow(/3 classes.*has 4/);
    for (const threads of [0, mostThreads + 1]) {
      await expect(train(recipe, { ...data, threads })).rejects.toThrow(
        `threads ${threads}: an integer from 1 to ${mostThreads} is accepted`,
      );
    }
  });

  it.each(['bottleneck', 'basic'] as const)(
    'a saved %s network runs in the executor with the masks and logits it was trained with',
    async (kind) => {
      const architecture = { ...recipe.architecture, kind };
      const parameters = new Parameters(layoutOf(architecture));
      parameters.initialise(3);
      const random = new Random(9);
      for (const { name } of parameters.learned) {
        // Masks that differ from cell to cell, and branches that matter.
        if (name.includes('masker'))
          parameters.get(name).forEach((_, i, all) => {
            all[i] = random.normal();
          });
        if (/bn\d\.weight$/.test(name)) parameters.get(name).fill(0.8);
      }
      const file = path.join(folder, 'model.safetensors');
      await saveModel(file, parameters, { name: 'figures', labels });
      const network = await loadNetwork(file);
      expect(network.labels).toEqual(labels);
      const test = figures(6, 4);
      const images = imagesOf(test, 6);
      const { masks, output } = await run(network, images, { masker: 'learned', backend: 'reference' });
      const expected = await measureInTraining(parameters, test, { masked: true, threads: 2 });
      masks.forEach((mask, b) => {
        const active = mask.cells.reduce((sum, cell) => sum + cell, 0) / mask.cells.length;
        expect(active).toBeCloseTo(expected.blocks[b]!.rate, 6);
      });
      expect(masks.some(({ cells }) => cells.includes(0) && cells.includes(1))).toBe(true);
      const right = test.targets.filter((label, n) => {
        const logits = output.data.subarray(n * 3, n * 3 + 3);
        return logits.indexOf(Math.max(...logits)) === label;
      }).length;
      expect(right / 6).toBeCloseTo(expected.accuracy, 6);
    },
  );

  it('counts the same multiply-adds as the engine', () => {
    const parameters = new Parameters(layoutOf(recipe.architecture));
    parameters.initialise(1);
    const network = trainedNetwork(parameters, { name: 'figures', labels });
    const shapes = networkShapes(network, { batch: 1, height: size, width: size });
    const { blocks } = costsOf(parameters.layout);
    blocksOf(network).forEach((block, b) => {
      const { fixed, dilated, active } = blocks[b]!;
      const { cells, branch } = parameters.layout.blocks[b]!;
      const masker = 2 * cells * cells * branch[0]!.inChannels;
      expect(2 * (fixed - masker + dilated + active)).toBe(denseBlockFlops(block, shapes.blocks[b]!, 1));
    });
  });
});

describe('schedules', () => {
  const { dense, adaptive } = recipe as Required<Recipe>;

  it('the rate warms up, then falls to zero along a cosine', () => {
    expect(learningRate(dense, 0, 104)).toBeCloseTo(dense.rate / 4);
    expect(learningRate(dense, 4, 104)).toBeCloseTo(dense.rate);
    expect(learningRate(dense, 54, 104)).toBeCloseTo(dense.rate / 2);
    expect(learningRate(dense, 104, 104)).toBeCloseTo(0);
  });

  it('the temperature falls from 5 to 0.1', () => {
    expect(gumbelTemperature(adaptive, 0)).toBe(5);
    expect(gumbelTemperature(adaptive, 0.5)).toBeCloseTo(Math.sqrt(0.5));
    expect(gumbelTemperature(adaptive, 1)).toBeCloseTo(0.1);
  });

  it('the noise stays whole unless the recipe lets it fall, and then is gone in the last quarter', () => {
    expect([0, 0.5, 1].map((progress) => gumbelNoise(adaptive, progress))).toEqual([1, 1, 1]);
    const falling = { ...adaptive, noise: [1, 0] as const };
    expect([0, 0.375, 0.75, 1].map((progress) => gumbelNoise(falling, progress))).toEqual([1, 0.5, 0, 0]);
  });

  it('the bounds begin at the target and loosen over the first third', () => {
    expect(flopsBounds(adaptive, 0)).toEqual({ upper: 0.6, lower: 0.6 });
    const loose = flopsBounds(adaptive, 0.5);
    expect(loose.upper).toBeCloseTo(1);
    expect(loose.lower).toBeCloseTo(0);
    const kept = flopsBounds({ ...adaptive, bounds: [0.3, 0.9] }, 1);
    expect(kept.upper).toBeCloseTo(0.9);
    expect(kept.lower).toBeCloseTo(0.3);
  });
});

describe('recipes', () => {
  it('are taken when complete', () => {
    expect(parseRecipe(JSON.parse(JSON.stringify(recipe)), 'r.json')).toEqual(recipe);
  });

  it.each([
    [{ batch: 1 }, /batch 1/],
    [{ seed: -1 }, /seed -1/],
    [{ data: { kind: 'stars' } }, /"stars"/],
    [{ dense: { ...recipe.dense, rate: 'fast' } }, /dense.rate "fast"/],
    [{ adaptive: { ...recipe.adaptive, target: 0 } }, /adaptive.target 0/],
    [{ adaptive: { ...recipe.adaptive, bounds: [0.9, 1] } }, /bounds\[0\] 0.9/],
    [{ adaptive: { ...recipe.adaptive, temperature: [5] } }, /temperature/],
    [{ epoch: 3 }, /the recipe has a field "epoch"; name, seed, .* are accepted/],
    [{ data: { ...recipe.data, path: '.' } }, /data has a field "path"; kind, train, test are accepted/],
    [{ dense: { ...recipe.dense, target: 0.5 } }, /dense has a field "target"/],
    [{ adaptive: { ...recipe.adaptive, alwaysactive: 0.5 } }, /adaptive has a field "alwaysactive"/],
    [{ architecture: { ...recipe.architecture, depth: 3 } }, /architecture has a field "depth"/],
    [
      { adaptive: { ...recipe.adaptive, distillation: { weight: 1, temperature: 4, alpha: 1 } } },
      /adaptive.distillation has a field "alpha"; weight, temperature are accepted/,
    ],
    [{ adaptive: { ...recipe.adaptive, noise: [1, 2] } }, /noise\[1\] 2; a number from 0 to 1/],
  ])('name the field that is wrong: %j', (change, message) => {
    expect(() => parseRecipe({ ...recipe, ...change }, 'r.json')).toThrow(message);
  });

  it.each([
    [{ size: 8 }, /size 8/],
    [{ width: 0 }, /width 0/],
    [{ layers: [] }, /layers \[\]/],
    [{ granularity: [1] }, /granularity \[1\]/],
    [{ classes: 1 }, /classes 1/],
  ])('architectures name the field that is wrong: %j', (change, message) => {
    expect(() => layoutOf({ ...recipe.architecture, ...change })).toThrow(message);
  });
});
