// @module-tag process
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadNetwork } from '@fovea/engine';
import { float32Of, readSafetensors, writeSafetensors } from '@fovea/engine/train';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { model } from '../../../engine/support/onnx-graphs.js';
import { randomImages, relativeError } from '../../../engine/support/small-network.js';
import { fixture, fovea } from '../run-fovea.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-infer-'));
});
afterAll(() => rm(folder, { recursive: true }));

const tiny = fixture('lasnet-tiny.safetensors');
const images = fixture('lasnet-tiny.ref.safetensors');

describe('fovea infer', () => {
  it('writes logits and masks that equal the checkpoint’s reference', async () => {
    const out = join(folder, 'out.safetensors');
    const { code } = await fovea('infer', tiny, '--input', images, '--output', out);
    expect(code).toBe(0);
    const [actual, expected] = [await readSafetensors(out), await readSafetensors(images)];
    expect(
      relativeError(float32Of(actual, 'logits', [1, 10]), float32Of(expected, 'logits', [1, 10])),
    ).toBeLessThan(1e-4);
    for (let block = 0; block < 6; block++) {
      const { shape } = expected.tensors.get(`mask.${block}`)!;
      expect(float32Of(actual, `mask.${block}`, shape)).toEqual(float32Of(expected, `mask.${block}`, shape));
    }
  });

  it('writes an output of rank 3 in the order of the file, and names no classes of it', async () => {
    const path = join(folder, 'sequence.onnx');
    const bytes = model((g, x) => g.node('Reshape', [g.node('Tanh', [x]), g.integers([0, 3, 64])]));
    await writeFile(path, bytes);
    const network = await loadNetwork(path);
    const image = randomImages(network);
    const input = join(folder, 'image.safetensors');
    await writeFile(input, writeSafetensors({ input: { shape: [1, 3, 8, 8], values: image.toNCHW() } }));
    const out = join(folder, 'sequence.safetensors');
    const { code, stdout } = await fovea('infer', path, '--input', input, '--output', out);
    expect(code).toBe(0);
    expect(stdout).toContain('output of shape [1, 3, 64]');
    const saved = await readSafetensors(out);
    expect(saved.tensors.get('logits')!.shape).toEqual([1, 3, 64]);
    expect(relativeError(float32Of(saved, 'logits'), image.toNCHW().map(Math.tanh))).toBeLessThan(1e-5);
  });

  it('writes no minus before zeros where nothing is avoided', async () => {
    const { stdout } = await fovea('infer', tiny, '--input', images, '--masker', 'saliency', '--rate', '1');
    expect(stdout).toMatch(/layer1\.0 .* 1\.000 +1\.000 /);
    expect(stdout).not.toMatch(/-0\.0+\b/);
  });

  it('with --json prints one document and nothing else', async () => {
    const { code, stdout, stderr } = await fovea(
      ...[
        'infer',
        tiny,
        '--input',
        images,
        '--granularity',
        '4,2,2,whole',
        '--masker',
        'random',
        '--rate',
        '0.25',
        '--json',
      ],
    );
    expect([code, stderr]).toEqual([0, '']);
    const document = JSON.parse(stdout);
    expect(document.masks.map((mask: { active: number }) => mask.active)).toEqual([4, 4, 4, 1, 1, 0]);
    expect(document.profile).toMatchObject({ kind: 'measured', network: 'lasnet-tiny' });
    expect(document.profile.blocks[5].granularity).toBe(2);
    expect(document.top[0]).toHaveLength(5);
  });

  it('runs with masks from a file', async () => {
    const first = join(folder, 'masks.safetensors');
    const again = join(folder, 'again.safetensors');
    await fovea('infer', tiny, '--input', images, '--output', first, '--masker', 'random', '--rate', '0.3');
    const { code } = await fovea(
      'infer',
      tiny,
      '--input',
      images,
      '--output',
      again,
      '--masker',
      `fixed:${first}`,
    );
    expect(code).toBe(0);
    expect(await readFile(again)).toEqual(await readFile(first));
  });

  it('refuses masks of other rows and columns, and for blocks that are not there', async () => {
    const masks = join(folder, 'turned.safetensors');
    const write = (name: string, shape: number[]) =>
      writeFile(
        masks,
        writeSafetensors({ [name]: { shape, values: new Float32Array(shape.reduce((a, b) => a * b)) } }),
      );
    const refusal = async () =>
      (await fovea('infer', tiny, '--input', images, '--masker', `fixed:${masks}`)).stderr;
    await write('mask.0', [1, 2, 8]);
    expect(await refusal()).toMatch(/mask\.0 is \(1, 2, 8\); block 0 \(layer1\.0\) has 4 x 4 cells here/);
    await write('mask.17', [1, 4, 4]);
    expect(await refusal()).toMatch(/mask\.17 is for a block that lasnet-tiny does not have/);
  });

  it.each([
    [['nope', '--input', images], /"nope" is neither a file, .* nor a built-in architecture/],
    [[tiny, '--input', '/no/such/file'], /cannot read \/no\/such\/file/],
    [[tiny, '--input', images, '--rate', '2', '--masker', 'random'], /--rate "2": a number from 0 to 1/],
    [[tiny, '--input', images, '--granularity', '0'], /granularity "0"/],
    [[tiny, '--input', images, '--threads', '0'], /--threads 0/],
    [[tiny, '--input', images, '--strategy', 'fast'], /unknown strategy "fast"/],
    [[tiny, '--input', images, '--backend', 'cuda'], /unknown backend "cuda"/],
    [[tiny, '--input', images, '--masker', 'magic'], /--masker "magic"/],
    [
      [tiny, '--input', images, '--masker', `fixed:${images}.none`],
      /cannot read masks from .*: there is no such file$/m,
    ],
    [[tiny, '--input', images, '--masker', `fixed:${tiny}`], /fixed mask of block 0/],
    [
      [tiny, '--input', images, '--output', '/no/such/folder/out.safetensors'],
      /cannot save \/no\/such\/folder/,
    ],
  ])('refuses %j in one line, with exit code 1', async (args, message) => {
    const { code, stdout, stderr } = await fovea('infer', ...args);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('refuses a file that is not what it says', async () => {
    const broken = join(folder, 'broken.safetensors');
    await writeFile(broken, (await readFile(images)).subarray(0, 5000));
    const { code, stderr } = await fovea('infer', tiny, '--input', broken);
    expect(code).toBe(1);
    expect(stderr).toContain('broken.safetensors');
  });

  it('explains itself', async () => {
    const { code, stdout } = await fovea('infer', '--help');
    expect(code).toBe(0);
    for (const option of [
      '--input',
      '--granularity',
      '--masker',
      '--rate',
      '--strategy',
      '--backend',
      '--threads',
      '--output',
      '--json',
    ]) {
      expect(stdout).toContain(option);
    }
  });
});
