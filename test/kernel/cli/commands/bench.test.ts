// @module-tag process
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toOnnx } from '@fovea/engine/onnx';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { smallNetwork } from '../../../engine/support/small-network.js';
import { fixture, fovea } from '../run-fovea.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-bench-'));
const plain = join(folder, 'plain.onnx');
const grey = join(folder, 'grey.onnx');
const straight = join(folder, 'straight.onnx');
beforeAll(async () => {
  await writeFile(plain, toOnnx(smallNetwork({ learned: false, excite: true })));
  const small = smallNetwork({ learned: false });
  const { output } = small.nodes[0]!;
  await writeFile(straight, toOnnx({ ...small, nodes: small.nodes.slice(0, 1), output }));
  await writeFile(grey, toOnnx(smallNetwork({ learned: false, imageChannels: 1, height: 20, mapWidth: 36 })));
});
afterAll(() => rmSync(folder, { recursive: true }));

const tiny = fixture('lasnet-tiny.safetensors');
const few = ['--runs', '1', '--threads', '1'];

describe('fovea bench', () => {
  it('times learned masks where the network has them, at the rate that they have', async () => {
    const { code, stdout } = await fovea('bench', tiny, ...few);
    expect(code).toBe(0);
    expect(stdout).toMatch(/streamed with learned masks on \w+/);
    expect(stdout).toMatch(
      /answers agree with unfused on \w+.*: at most \de-\d+ of the largest output apart/,
    );
  });

  it('times saliency elsewhere, and random masks when they are asked for', async () => {
    const masks = async (...options: string[]) => {
      const { code, stdout } = await fovea('bench', plain, ...few, '--rates', '0.5', '--json', ...options);
      expect(code).toBe(0);
      return JSON.parse(stdout);
    };
    expect(await masks()).toMatchObject({ masker: 'saliency', rows: [{ rate: 0.5 }] });
    const exact = await masks('--masker', 'random');
    const active = await masks('--masker', 'random', '--excitation', 'active');
    expect(exact).toMatchObject({ masker: 'random' });
    expect(active.rows[0].flopsFraction).toBeLessThan(exact.rows[0].flopsFraction);
  });

  it('says where a network has nothing that masks could skip', async () => {
    const { stdout } = await fovea('bench', straight, ...few, '--rates', '0.5');
    expect(stdout).toMatch(/straight has no adaptive block: at every rate all of it is computed/);
    expect((await fovea('bench', plain, ...few, '--rates', '1')).stdout).not.toMatch(/no adaptive block/);
  });

  it('times what it is given', async () => {
    const array = fixture('lasnet-tiny.ref.safetensors');
    const { stdout } = await fovea('bench', tiny, ...few, '--input', array, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ batch: 1, masker: 'learned' });
    const sized = await fovea('bench', tiny, ...few, '--size', '96', '--batch', '2', '--json');
    expect(JSON.parse(sized.stdout)).toMatchObject({ batch: 2 });
    const oblong = await fovea('bench', grey, ...few, '--size', '40x24', '--rates', '0.5', '--json');
    expect(JSON.parse(oblong.stdout)).toMatchObject({ batch: 1, rows: [{ rate: 0.5 }] });
  });

  it.each([
    [[tiny, '--rates', '0.5'], /learned masks have rates of their own/],
    [[tiny, '--masker', 'fixed'], /--masker "fixed": learned, saliency, random are accepted/],
    [[plain, '--masker', 'learned'], /block 0 \(block0\) .* has none/],
    [[tiny, '--crop', '1'], /--crop 1: only the images of --input are prepared/],
    [[tiny, '--batch', '2', '--input', tiny], /--batch 2: --input holds the images/],
  ])('refuses %j', async (options, message) => {
    const { code, stdout, stderr } = await fovea('bench', ...options);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(message);
  });
});
