// @module-tag process
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blocksOf, loadNetwork } from '@fovea/engine';
import { canTrain, readSafetensors } from '@fovea/engine/train';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture, fovea } from '../run-fovea.js';

let folder = '';
let recipe = '';
const architecture = {
  kind: 'bottleneck',
  layers: [1, 1],
  width: 8,
  size: 64,
  classes: 10,
  granularity: [2, 1],
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-train-'));
  recipe = join(folder, 'recipe.json');
  const phase = { epochs: 1, rate: 0.05, decay: 1e-4 };
  await writeFile(
    recipe,
    JSON.stringify({
      name: 'tiny',
      seed: 1,
      batch: 8,
      architecture,
      data: { kind: 'generated', train: 40, test: 10 },
      dense: phase,
      adaptive: { ...phase, target: 0.6 },
    }),
  );
});
afterAll(() => rm(folder, { recursive: true }));

/** Two classes that differ in colour. */
async function pictures(count: number): Promise<string> {
  const root = join(folder, `images-${count}`);
  for (const [name, background] of [
    ['blue', '#2040c0'],
    ['red', '#c02020'],
  ] as const) {
    await mkdir(join(root, name), { recursive: true });
    for (let i = 0; i < count; i++) {
      const side = 70 + i;
      await sharp({ create: { width: side, height: side, channels: 3, background } })
        .png()
        .toFile(join(root, name, `${i}.png`));
    }
  }
  return root;
}

describe.skipIf(!canTrain())('fovea train (needs the native kernels)', () => {
  it('trains by a recipe and writes a model that runs', async () => {
    const output = join(folder, 'tiny.safetensors');
    const { code, stdout } = await fovea('train', recipe, '--output', output, '--threads', '2', '--json');
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as { dense: { images: number }; adaptive: { stages: unknown[] } };
    expect(report.dense.images).toBe(10);
    expect(report.adaptive.stages).toHaveLength(2);
    const network = await loadNetwork(output);
    expect(network.labels).toHaveLength(10);
    expect(existsSync(`${output}.state`)).toBe(false);
    expect(existsSync(output.replace('safetensors', 'json'))).toBe(false);
    const { metadata, tensors } = await readSafetensors(output);
    expect(JSON.parse(metadata['fovea.config']!)).toMatchObject({ recipe: { seed: 1 } });
    expect(tensors.has('layer1.0.bn1.running_mean')).toBe(true);
  });

  it('is refused while another process trains for the same file, and then not', async () => {
    const output = join(folder, 'twice.safetensors');
    const lock = `${output}.state.lock`;
    await writeFile(lock, `${process.pid}\n`);
    const refused = await fovea('train', recipe, '--output', output);
    expect(refused).toMatchObject({
      code: 1,
      stderr: `fovea: a run that keeps its state in ${output}.state is under way in process ${process.pid}; one at a time is accepted\n`,
    });
    await writeFile(lock, '999999999\n');
    const { code } = await fovea('train', recipe, '--output', output, '--threads', '2');
    expect([code, existsSync(lock), existsSync(output)]).toEqual([0, false, true]);
  });

  it('trains on a folder of images, naming those it could not read', async () => {
    const data = await pictures(10);
    await writeFile(join(data, 'red', 'broken.png'), 'no picture');
    const output = join(folder, 'colours.safetensors');
    const { code, stdout, stderr } = await fovea('train', recipe, '--output', output, '--data', data);
    expect(code).toBe(0);
    expect(stderr).toContain(`skipped ${join('red', 'broken.png')}`);
    expect(stdout).toContain('adaptive: accuracy');
    expect((await loadNetwork(output)).labels).toEqual(['blue', 'red']);
  });

  it('says in one line what it does not accept', async () => {
    const output = join(folder, 'x.safetensors');
    const empty = join(folder, 'empty');
    await mkdir(empty);
    const broken = join(folder, 'broken.json');
    await writeFile(broken, '{"name": "x", "seed": 1.5}');
    for (const [args, message] of [
      [[recipe, '--output', output, '--data', empty], /holds no folders/],
      [[recipe, '--output', output, '--threads', '0'], /--threads 0/],
      [[broken, '--output', output], /seed 1.5/],
      [[join(folder, 'absent.json'), '--output', output], /no such file/],
      [[recipe, '--output', join(folder, 'model.bin')], /\.safetensors/],
    ] as const) {
      const { code, stderr } = await fovea('train', ...args);
      expect(code).toBe(1);
      expect(stderr).toMatch(message);
      expect(
        stderr
          .trim()
          .split('\n')
          .filter((line) => line.startsWith('fovea:')),
      ).toHaveLength(1);
    }
  });
});

describe('fovea fit', () => {
  it('fits maskers and reports agreement', async () => {
    const output = join(folder, 'maskers.safetensors');
    const { code, stdout } = await fovea(
      ...['fit', fixture('lasnet-tiny.safetensors'), '--images', '4', '--rate', '0.5', '--granularity', '2'],
      ...['--agreement', '0.5,1', '--output', output, '--json'],
    );
    expect(code).toBe(0);
    const { blocks, agreement } = JSON.parse(stdout) as {
      blocks: { rate: number }[];
      agreement: { rate: number; top1: number; cosine: number }[];
    };
    expect(blocks).toHaveLength(6);
    for (const { rate } of blocks) expect(rate).toBeCloseTo(0.5, 1);
    expect(agreement[1]).toMatchObject({ rate: 1, top1: 1 });
    const network = await loadNetwork(output);
    expect(blocksOf(network)).toHaveLength(6);
    for (const { masker, granularity } of blocksOf(network)) {
      expect(masker).toBeDefined();
      expect(granularity).toBe(2);
    }
    const run = await fovea('inspect', output, '--json');
    expect(run.code).toBe(0);
  });

  it('names S of the whole map in tables, and in JSON, which has no Infinity', async () => {
    const output = join(folder, 'whole.safetensors');
    const fit = ['fit', fixture('lasnet-tiny.safetensors'), '--images', '2', '--granularity', 'whole'];
    const fitted = await fovea(...fit, '--output', output, '--json');
    const { blocks } = JSON.parse(fitted.stdout) as { blocks: { granularity: unknown }[] };
    expect(blocks.map(({ granularity }) => granularity)).toEqual(new Array(6).fill('whole'));
    const shown = await fovea('inspect', output);
    expect(shown.stdout.match(/ whole /g)).toHaveLength(6);
    const { nodes } = JSON.parse((await fovea('inspect', output, '--json')).stdout) as {
      nodes: { block?: { granularity: unknown } }[];
    };
    expect(nodes.flatMap(({ block }) => (block ? [block.granularity] : []))).toEqual(
      new Array(6).fill('whole'),
    );
  });

  it('refuses rates and targets out of range', async () => {
    const { code, stderr } = await fovea(
      'fit',
      fixture('lasnet-tiny.safetensors'),
      '--rate',
      '1.5',
      '--images',
      '2',
    );
    expect(code).toBe(1);
    expect(stderr).toContain('1.5');
  });
});

describe.skipIf(!canTrain())('fovea adapt (needs the native kernels)', () => {
  it('learns maskers on unlabelled images and saves one file that runs', async () => {
    const images = await pictures(5);
    const output = join(folder, 'adapted.safetensors');
    const { code, stdout, stderr } = await fovea(
      ...['adapt', fixture('lasnet-tiny.safetensors'), '--images', images, '--flops', '0.7', '--steps', '6'],
      ...['--batch', '4', '--granularity', '2', '--most', '8', '--output', output, '--json'],
    );
    expect(stderr).not.toContain('fovea:');
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as { images: number; flops: number; blocks: { rate: number }[] };
    expect(report.images).toBe(8);
    expect(report.blocks.length).toBeGreaterThan(0);
    expect(report.flops).toBeGreaterThan(0.5);
    expect(report.flops).toBeLessThan(0.9);
    expect(existsSync(`${output}.state`)).toBe(false);
    expect(blocksOf(await loadNetwork(output)).every(({ masker }) => masker !== undefined)).toBe(true);
  });

  it('says in one line what it does not accept', async () => {
    const images = await pictures(2);
    const output = join(folder, 'never.safetensors');
    const model = fixture('lasnet-tiny.safetensors');
    for (const [args, message] of [
      [['--flops', '1.5'], /1\.5/],
      [['--flops', '1'], /flops 1/],
      [['--tune', 'all'], /--tune all/],
      [['--steps', '0'], /--steps 0/],
      [['--crop', '0.5'], /unknown option '--crop'/],
    ] as const) {
      const { code, stderr } = await fovea('adapt', model, '--images', images, '--output', output, ...args);
      expect(code).toBe(1);
      expect(stderr).toMatch(message);
    }
    const absent = await fovea('adapt', model, '--images', join(folder, 'none'), '--output', output);
    expect(absent.stderr).toContain('cannot read the folder');
  });
});

describe('fovea evaluate', () => {
  it('reports accuracy, agreement, rates and latency of the shipped model', async () => {
    const { code, stdout } = await fovea(
      'evaluate',
      'quick-look',
      '--images',
      '12',
      '--device',
      'tx2',
      '--json',
    );
    expect(code).toBe(0);
    const found = JSON.parse(stdout) as {
      accuracy: { adaptive: number };
      agreement: { cosine: number };
      blocks: { rate: number }[];
      coverage: unknown[];
      latency: {
        measuredMs: { dense: number; adaptive: number };
        predicted: { device: string; ms: { dense: number } };
      };
    };
    expect(found.accuracy.adaptive).toBeGreaterThan(0.8);
    expect(found.agreement.cosine).toBeGreaterThan(0.9);
    expect(found.blocks.every(({ rate }) => rate >= 0 && rate <= 1)).toBe(true);
    expect(found.coverage).toHaveLength(4);
    expect(found.latency.measuredMs.adaptive).toBeGreaterThan(0);
    expect(found.latency.predicted).toMatchObject({ device: 'tx2', ms: { dense: expect.any(Number) } });
  });

  it('compares masks at equal FLOPs, on images without labels too', async () => {
    const folders = await pictures(4);
    const { code, stdout } = await fovea(
      ...['evaluate', 'quick-look', '--images', '16', '--compare', '--json'],
    );
    expect(code).toBe(0);
    const { images, comparison } = JSON.parse(stdout) as {
      images: number;
      comparison: {
        name: string;
        flops: number;
        agreement: { mean: number; low: number; high: number };
        accuracy?: object;
      }[];
    };
    expect(images).toBe(12);
    expect(comparison.map(({ name }) => name.replace(/\d+/g, 'n'))).toEqual([
      'learned',
      'fitted',
      'saliency',
      'random',
      'dense at n x n',
    ]);
    for (const { name, flops, agreement, accuracy } of comparison) {
      // Fitted thresholds were set on four other images, and these have other objects.
      expect(Math.abs(flops - comparison[0]!.flops)).toBeLessThan(name === 'fitted' ? 0.15 : 0.03);
      expect(agreement.low).toBeLessThanOrEqual(agreement.mean);
      expect(agreement.high).toBeGreaterThanOrEqual(agreement.mean);
      expect(accuracy).toBeDefined();
    }
    const plain = await fovea(
      ...['evaluate', 'quick-look', '--data', join(folders, 'red'), '--compare', '0.6'],
    );
    expect(plain.code).toBe(0);
    expect(plain.stdout).toContain('same class as dense');
    expect(plain.stdout).not.toContain('right class');
    const refused = await fovea('evaluate', 'quick-look', '--images', '4', '--compare', '1.2');
    expect(refused.stderr).toContain('1.2');
  });

  it('leaves accuracy out where the images’ classes are not the network’s', async () => {
    const { code, stdout } = await fovea(
      'evaluate',
      fixture('lasnet-tiny.safetensors'),
      '--images',
      '2',
      '--json',
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).not.toHaveProperty('accuracy');
  });

  it('says why there is no accuracy for a folder of images', async () => {
    const data = await pictures(1);
    const other = await fovea('evaluate', 'quick-look', '--data', data);
    expect(other.code).toBe(0);
    expect(other.stderr).toBe('no accuracy: quick-look has no class blue, red\n');
    const nameless = await fovea('evaluate', fixture('lasnet-tiny.safetensors'), '--data', data);
    expect(nameless.stderr).toBe('no accuracy: lasnet-tiny does not name its classes\n');
  });

  it('says what it does not accept', async () => {
    const { code, stderr } = await fovea('evaluate', 'quick-look', '--images', '0');
    expect(code).toBe(1);
    expect(stderr).toContain('--images 0');
  });
});
