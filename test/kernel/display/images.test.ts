import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readImage as readFile, type Tensor } from '@fovea/engine';
import {
  fovea,
  nounBundle,
  type Pixels,
  pictures,
  readImage,
  sampleImage,
  sampleImageNames,
} from '@fovea/kernel';
import { encode } from 'fast-png';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodePng } from '../../../kernel/src/display/picture.js';
import { expectSaidOnce } from '../../engine/support/said-once.js';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'fovea-images-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const size = { height: 64, width: 64 };

/** The picture that a normalised tensor was made from, as bytes of its middle pixel. */
function middle(tensor: Tensor): number[] {
  const [, height, width] = tensor.shape;
  const { data, channels } = decodePng(pictures(tensor)[0]!.png);
  const at = (Math.floor(height / 2) * width + Math.floor(width / 2)) * channels;
  return Array.from(data.subarray(at, at + 3));
}

describe('reading a picture for a network', () => {
  it('covers the input, keeps the middle, and normalises so that showing it undoes it', async () => {
    const data = new Uint8Array(100 * 50 * 3);
    for (let i = 0; i < data.length; i += 3) {
      const x = (i / 3) % 100;
      data.set(x >= 25 && x < 75 ? [200, 100, 50] : [0, 0, 0], i);
    }
    const path = join(directory, 'wide.png');
    writeFileSync(path, encode({ width: 100, height: 50, channels: 3, data }));
    const { name, tensor } = await fovea.readImage(path, size);
    expect(name).toBe('wide.png');
    expect(tensor.shape).toEqual([1, 64, 64, 3]);
    expect(middle(tensor)).toEqual([200, 100, 50]);
    // The black bars at both sides are cropped away.
    const corner = decodePng(pictures(tensor)[0]!.png);
    expect(Array.from(corner.data.subarray(12, 15))).toEqual([200, 100, 50]);
  });

  it('shows what readImage of the engine returns as well', async () => {
    const data = Uint8Array.from({ length: 6 * 4 * 3 }, (_, i) => (i * 7) % 256);
    const path = join(directory, 'own.png');
    writeFileSync(path, encode({ width: 6, height: 4, channels: 3, data }));
    const image = await readFile(path);
    for (const source of [image, { name: 'own', pixels: image }]) {
      const [picture] = pictures(source);
      expect(picture).toMatchObject({ width: 6, height: 4 });
      expect([...decodePng(picture!.png).data]).toEqual([...data]);
    }
    const { data: cut } = image;
    expect(() => pictures({ ...image, data: cut.subarray(1) })).toThrow(
      /pixels \{ width, height, channels, data \}/,
    );
  });

  it('takes JPEG and WebP, grey and transparent pictures, and turns them as the camera was held', async () => {
    const grey = sharp({ create: { width: 80, height: 80, channels: 3, background: '#808080' } }).greyscale();
    for (const bytes of [
      await grey.clone().jpeg().toBuffer(),
      await grey.clone().webp().toBuffer(),
      await grey.clone().png().toBuffer(),
    ]) {
      for (const value of middle((await readImage(bytes, size)).tensor))
        expect(Math.abs(value - 128)).toBeLessThan(4);
    }
    // Opacity is dropped, as torchvision's own pictures are converted, not painted over some background.
    const clear = await sharp({ create: { width: 9, height: 9, channels: 4, background: '#c8643200' } })
      .png()
      .toBuffer();
    expect(middle((await readImage(clear, size)).tensor)).toEqual([200, 100, 50]);
    const top = { create: { width: 40, height: 20, channels: 3, background: '#ff0000' } } as const;
    const held = await sharp({ create: { width: 40, height: 40, channels: 3, background: '#0000ff' } })
      .composite([{ input: await sharp(top).png().toBuffer(), top: 0, left: 0 }])
      .withMetadata({ orientation: 3 })
      .jpeg({ quality: 100 })
      .toBuffer();
    const { data } = decodePng(pictures((await readImage(held, size)).tensor)[0]!.png);
    expect(data[2]).toBeGreaterThan(200);
    expect(data[0]).toBeLessThan(60);
  });

  it('says which file it was that could not be read', async () => {
    await expect(readImage(join(directory, 'none.png'), size)).rejects.toMatchObject({
      code: 'io',
      message: expect.stringContaining('none.png'),
    });
    writeFileSync(join(directory, 'text.png'), 'hello');
    await expect(readImage(join(directory, 'text.png'), size)).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining('text.png'),
    });
  });
});

describe('sample images', () => {
  it('are the same every time, one for each name, at any size', async () => {
    const [first, again] = await Promise.all([sampleImage('fish', size), sampleImage('fish', size)]);
    expect(first.tensor.data).toEqual(again.tensor.data);
    const all = await Promise.all(sampleImageNames.map((name) => sampleImage(name, size)));
    expect(new Set(all.map(({ tensor }) => tensor.data.join())).size).toBe(sampleImageNames.length);
    expect((await sampleImage('fish', { height: 300, width: 200 })).tensor.shape).toEqual([1, 300, 200, 3]);
  });

  it('show themselves in a cell', async () => {
    const { data } = nounBundle(await sampleImage('mug', size))!;
    expect(data['text/plain']).toMatch(/^mug: Tensor 1 x 64 x 64 x 3/);
    expect(data['image/png']).toBeTypeOf('string');
  });

  it('name their names when one is wrong', async () => {
    await expect(sampleImage('unicorn', size)).rejects.toThrow(
      /no sample image "unicorn"; there are ball, cactus/,
    );
  });
});

describe('PNG files of every kind', () => {
  const rgb: Pixels = {
    width: 4,
    height: 1,
    channels: 3,
    data: Uint8Array.from([255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30]),
  };
  const source = () => sharp(rgb.data, { raw: { width: 4, height: 1, channels: 3 } });
  const colours = ({ data, channels }: Required<Pixels>) =>
    Array.from({ length: 4 }, (_, i) => Array.from(data.subarray(i * channels, i * channels + 3)));

  it.each([
    ['eight bits', () => source().png().toBuffer()],
    ['sixteen bits', () => source().toColourspace('rgb16').png().toBuffer()],
    ['a palette', () => source().png({ palette: true, colours: 4, dither: 0 }).toBuffer()],
    ['opacity', () => source().ensureAlpha().png().toBuffer()],
  ])('are decoded: %s', async (_, file) => {
    expect(colours(decodePng(await file()))).toEqual([
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
      [10, 20, 30],
    ]);
  });

  it('and broken ones are refused with a reason', async () => {
    expect(() => decodePng(new Uint8Array(10))).toThrow(/not a PNG/);
    const whole = encode({ width: 4, height: 1, channels: 3, data: rgb.data as Uint8Array });
    const cut = whole.slice(0, whole.length - 20);
    await expectSaidOnce(() => decodePng(cut), 'bad-file', /^broken PNG of 4x1: \S/);
  });
});
