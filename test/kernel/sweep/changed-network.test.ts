import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtNetwork } from '@fovea/engine';
import { saveNetwork } from '@fovea/engine/train';
import { afterAll, expect, it } from 'vitest';
import { computePoint } from '../../../kernel/src/sweep/compute/compute.js';
import { networkMaterial } from '../../../kernel/src/sweep/material.js';
import type { Point } from '../../../kernel/src/sweep/point.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-changed-network-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('a network that is written again while its sweep runs is not computed as the earlier one', async () => {
  const path = join(folder, 'mine.safetensors');
  const save = (seed: number) =>
    saveNetwork(path, builtNetwork('resnet18', { classes: 3, inputSize: 32, seed }));
  await save(1);
  const { sha256 } = await networkMaterial(path, existsSync);
  const point: Point = {
    ...{ kind: 'evaluate', network: 'mine', sha256, masker: 'saliency', rate: 0.5, where: {}, repeat: 0 },
    data: { seed: 1, images: 2 },
  };
  const context = { materials: { [sha256]: path }, onProgress: () => undefined };
  await save(2);
  await expect(computePoint(point, context)).rejects.toMatchObject({
    code: 'bad-file',
    message: `${path} has changed since the sweep was started; start it again`,
  });
  await save(1);
  expect(await computePoint(point, context)).toMatchObject({ images: 2 });
});
