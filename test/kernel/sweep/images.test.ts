import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodePng, loadNetwork, preprocess } from '@fovea/engine';
import { imagesOf, saveNetwork } from '@fovea/engine/train';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { decodeImage } from '../../../engine/src/image/decode.js';
import { computePoint } from '../../../kernel/src/sweep/compute/compute.js';
import { datasetOf } from '../../../kernel/src/sweep/compute/context.js';
import { type Point, type PointKind, sha256Of } from '../../../kernel/src/sweep/point.js';
import { checkSpace } from '../../../kernel/src/sweep/space/check-space.js';
import { expandSpace } from '../../../kernel/src/sweep/space/expand.js';
import { listImages } from '../../../kernel/src/sweep/space/manifest.js';
import { smallNetwork } from '../../engine/support/small-network.js';

const size = { height: 24, width: 64 };
const folder = mkdtempSync(join(tmpdir(), 'fovea-sweep-images-'));
const materials: Record<string, string> = {};
const context = { materials, onProgress: () => undefined };
let png: Uint8Array;
let [grey, greyHash] = ['', ''];
beforeAll(async () => {
  vi.stubEnv('FOVEA_DATA_DIR', join(folder, 'state'));
  const network = smallNetwork({ imageChannels: 1, height: size.height, mapWidth: size.width });
  grey = join(folder, 'grey.safetensors');
  await saveNetwork(grey, network);
  greyHash = sha256Of(readFileSync(grey));
  materials[greyHash] = grey;
  const data = Uint8Array.from({ length: 90 * 60 * 3 }, (_, i) => (i * 7) % 251);
  png = await encodePng({ width: 90, height: 60, channels: 3, data });
  mkdirSync(join(folder, 'images', 'only'), { recursive: true });
  writeFileSync(join(folder, 'images', 'only', 'a.png'), png);
  const list = JSON.stringify((await listImages(join(folder, 'images'))).manifest);
  manifest = sha256Of(list);
  materials[manifest] = join(folder, 'list.json');
  writeFileSync(materials[manifest]!, list);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});
let manifest = '';

const pointOf = (kind: PointKind): Point => ({ kind, sha256: greyHash, where: {}, repeat: 0 });

describe('points of a network of oblong grey images', () => {
  it.each<[PointKind, Partial<Point>]>([
    ['measure', { runs: 1 }],
    ['evaluate', {}],
    ['fit', { rate: 0.5 }],
    ['adapt', { flops: 0.6, steps: 2 }],
  ])('are computed: %s', async (kind, more) => {
    const drawn = await computePoint({ ...pointOf(kind), ...more, data: { seed: 1, images: 4 } }, context);
    expect(drawn).toMatchObject({
      images: 4,
      flops: expect.any(Number),
      agreement: { top1: expect.any(Number) },
    });
    if (kind === 'adapt') return;
    const read = await computePoint(
      { ...pointOf(kind), ...more, data: { manifest, from: 0, to: 1 } },
      context,
    );
    expect(read).toMatchObject({ images: 1, flops: expect.any(Number) });
  });

  it('scale and normalise images as the network says', async () => {
    const how = { mean: [0.1, 0.2, 0.3], deviation: [0.5, 0.6, 0.7], fit: 'stretch' } as const;
    const network = { ...(await loadNetwork(grey)), preprocessing: how };
    const read = { ...pointOf('evaluate'), data: { manifest, from: 0, to: 1 } };
    const expected = await preprocess(await decodeImage(png, 'a.png'), { ...how, ...size, channels: 1 });
    expect(imagesOf(await datasetOf(read, network, context), 1, 1).data).toEqual(expected.data);
    const drawn = await datasetOf(pointOf('evaluate'), network, context);
    expect(drawn).toMatchObject({ ...size, mean: how.mean, deviation: how.deviation });
  });
});

describe('a folder of images', () => {
  it('names what is not used of it', async () => {
    const root = join(folder, 'mixed');
    for (const name of ['cats', 'dogs', 'raw']) mkdirSync(join(root, name), { recursive: true });
    for (const name of ['cats/a.png', 'dogs/b.png', 'loose.png', 'cats/c.heic', 'cats/d.heic', 'raw/e.bmp'])
      writeFileSync(join(root, name), png);
    const { manifest: listed, skipped } = await listImages(root);
    expect(listed.files.map(([file]) => file)).toEqual(['cats/a.png', 'dogs/b.png']);
    expect(skipped.map(({ file, reason }) => `${file}: ${reason}`)).toEqual([
      'raw: holds no images, so it is no class',
      'loose.png: lies beside the folders of classes',
      expect.stringMatching(/^cats\/\*\.heic: 2 images of a format that is not read; PNG, .* are accepted$/),
      expect.stringMatching(/^raw\/\*\.bmp: one image of a format that is not read; /),
    ]);
    const space = checkSpace({ networks: ['quick-look'], data: { folder: root } });
    expect((await expandSpace(space, 'test')).skipped).toEqual(skipped);
    await expect(listImages(join(root, 'raw'))).rejects.toThrow(
      /holds no images; one folder of images per class is accepted; \*\.bmp: one image of a format/,
    );
  });
});
