import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { preprocess } from '@fovea/engine';
import {
  generateDataset,
  imagesOf,
  loadRecipeData,
  objectLabels,
  photoCrops,
  readImageFolder,
  readPhotos,
  splitDataset,
} from '@fovea/engine/train';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { epochOrder, fillBatch } from '../../../engine/src/train/data/batches.js';
import { readInputs } from '../../../engine/src/train/data/read-below.js';
import { drawScene } from '../../../engine/src/train/data/scene.js';
import { smallNetwork } from '../support/small-network.js';

describe('generated images', () => {
  it('come from at least eight classes', () => {
    expect(new Set(objectLabels).size).toBeGreaterThanOrEqual(8);
  });

  it.each([64, 128, 224])('of side %i show one object that covers a sensible part of the image', (size) => {
    objectLabels.forEach((_, label) => {
      const { pixels, region } = drawScene(3, label, label, size);
      expect(pixels).toHaveLength(size * size * 3);
      const covered = region.reduce((sum, value) => sum + value, 0) / region.length;
      expect(covered).toBeGreaterThan(0.015);
      expect(covered).toBeLessThan(0.5);
    });
  });

  it('are the same for the same seed, and differ otherwise', () => {
    const first = drawScene(1, 7, 2, 64);
    expect(drawScene(1, 7, 2, 64)).toEqual(first);
    expect(drawScene(2, 7, 2, 64).pixels).not.toEqual(first.pixels);
    expect(drawScene(1, 8, 2, 64).pixels).not.toEqual(first.pixels);
  });

  it('lie all over the image and come in many sizes', async () => {
    const size = 64;
    const { count, regions } = await generateDataset({ seed: 4, count: 60, size });
    const places = Array.from({ length: count }, (_, n) => {
      const region = regions!.subarray(n * size * size, (n + 1) * size * size);
      let [x, y, area] = [0, 0, 0];
      region.forEach((on, i) => {
        x += on * (i % size);
        y += on * Math.floor(i / size);
        area += on;
      });
      return { x: x / area / size, y: y / area / size, area: area / size / size };
    });
    for (const axis of ['x', 'y'] as const) {
      expect(Math.min(...places.map((place) => place[axis]))).toBeLessThan(0.35);
      expect(Math.max(...places.map((place) => place[axis]))).toBeGreaterThan(0.65);
    }
    const areas = places.map(({ area }) => area);
    expect(Math.max(...areas) / Math.min(...areas)).toBeGreaterThan(3);
  });

  it('are drawn equally often of each class, in mixed order', async () => {
    const { targets } = await generateDataset({ seed: 1, count: 40, size: 64 });
    objectLabels.forEach((_, label) => {
      expect(targets.filter((target) => target === label)).toHaveLength(4);
    });
    expect([...targets]).not.toEqual([...targets].sort());
  });

  it('are cut out of the middle of a square scene where they are not square, and so are the regions', async () => {
    const { targets, pixels, regions } = await generateDataset({
      ...{ seed: 3, count: 2, size: { height: 64, width: 128 } },
    });
    for (const [n, label] of [...targets].entries()) {
      const scene = drawScene(3, n, label, 128);
      const rows = (values: Uint8Array, row: number) => values.subarray(32 * row, 96 * row);
      const plane = 64 * 128;
      expect(pixels.subarray(n * plane * 3, (n + 1) * plane * 3)).toEqual(rows(scene.pixels, 128 * 3));
      expect(regions!.subarray(n * plane, (n + 1) * plane)).toEqual(rows(scene.region, 128));
    }
    const small = await generateDataset({ seed: 3, count: 1, size: { height: 20, width: 30 } });
    expect([small.height, small.width, small.pixels.length]).toEqual([20, 30, 20 * 30 * 3]);
  });

  it('say what they do not accept, and can be stopped', async () => {
    expect(() => drawScene(1, 0, 0, 32)).toThrow(/size 32.*64 to 1024/);
    expect(() => drawScene(1, 0, 99, 64)).toThrow(/label 99/);
    await expect(generateDataset({ seed: 1, count: 0, size: 64 })).rejects.toThrow(/0 images/);
    const signal = AbortSignal.abort();
    await expect(generateDataset({ seed: 1, count: 40, size: 64, signal })).rejects.toMatchObject({
      code: 'aborted',
    });
  });
});

describe('batches', () => {
  it('are normalised as torchvision does, and unchanged without augmentation', async () => {
    const dataset = await generateDataset({ seed: 1, count: 3, size: 64 });
    const { data, shape } = imagesOf(dataset, [2]);
    expect(shape).toEqual([1, 64, 64, 3]);
    const at = 2 * 64 * 64 * 3;
    expect(data[0]).toBeCloseTo((dataset.pixels[at]! / 255 - 0.485) / 0.229, 5);
    expect(data[5]).toBeCloseTo((dataset.pixels[at + 5]! / 255 - 0.406) / 0.225, 5);
  });

  it('are grey where the network is, as images are everywhere', async () => {
    const size = { height: 24, width: 40 };
    const how = { mean: [0.1, 0.2, 0.3], deviation: [0.5, 0.6, 0.7] } as const;
    const dataset = await generateDataset({ ...how, seed: 1, count: 3, size });
    const grey = imagesOf(dataset, [2, 0], 1);
    expect(grey.shape).toEqual([2, 24, 40, 1]);
    const plane = 24 * 40 * 3;
    const images = [2, 0].map((i) => ({
      ...size,
      data: dataset.pixels.subarray(i * plane, (i + 1) * plane),
    }));
    const expected = await preprocess(images, { ...size, ...how, channels: 1, cropFraction: 1 });
    expect(grey.data).toEqual(expected.data);
  });

  it('vary the images the same way for the same seed and step', async () => {
    const dataset = await generateDataset({ seed: 1, count: 4, size: 64 });
    const fill = (step: number) => {
      const images = new Float32Array(4 * 64 * 64 * 3);
      const found = new Int32Array(4);
      fillBatch(dataset, [3, 1, 0, 2], images, found, { seed: 9, step });
      return { images, found };
    };
    expect(fill(5)).toEqual(fill(5));
    expect(fill(6).images).not.toEqual(fill(5).images);
    expect([...fill(5).found]).toEqual([3, 1, 0, 2].map((i) => dataset.targets[i]));
  });

  it('pass over every image once an epoch', () => {
    const order = epochOrder(50, 1, 0);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(epochOrder(50, 1, 1)).not.toEqual(order);
  });
});

describe('folders of images', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'fovea-images-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const picture = (background: string, channels: 3 | 4 = 3) =>
    sharp({ create: { width: 60, height: 40, channels, background } });

  it('are read by class, PNG and JPEG alike; corrupt files are skipped and named', async () => {
    for (const name of ['cats', 'dogs']) mkdirSync(path.join(folder, name));
    await picture('#ff0000')
      .png()
      .toFile(path.join(folder, 'cats', 'a.png'));
    await picture('#ff0000')
      .jpeg()
      .toFile(path.join(folder, 'cats', 'b.JPG'));
    await picture('#00ff0080', 4)
      .png()
      .toFile(path.join(folder, 'dogs', 'c.png'));
    await picture('#808080')
      .greyscale()
      .png()
      .toFile(path.join(folder, 'dogs', 'd.png'));
    writeFileSync(path.join(folder, 'dogs', 'broken.png'), 'no picture');
    const whole = readFileSync(path.join(folder, 'cats', 'a.png'));
    writeFileSync(path.join(folder, 'dogs', 'cut.png'), whole.subarray(0, 60));
    writeFileSync(path.join(folder, 'dogs', 'notes.txt'), 'left alone');

    const dataset = await readImageFolder(folder, { size: 32 });
    expect(dataset.labels).toEqual(['cats', 'dogs']);
    expect([...dataset.targets]).toEqual([0, 0, 1, 1]);
    expect([...dataset.pixels.subarray(0, 3)]).toEqual([255, 0, 0]);
    expect(dataset.skipped.map(({ file }) => file)).toEqual([
      path.join('dogs', 'broken.png'),
      path.join('dogs', 'cut.png'),
    ]);
    for (const { reason } of dataset.skipped) expect(reason).not.toBe('');

    const [train, test] = splitDataset(dataset, 2);
    expect([train.count, test.count]).toEqual([2, 2]);
    expect([...test.targets]).toEqual([0, 1]);
  });

  it('count linked folders and files, and no hidden ones', async () => {
    const elsewhere = path.join(folder, 'elsewhere');
    const classes = path.join(folder, 'classes');
    for (const name of ['elsewhere', 'classes', 'classes/dogs', 'classes/.ipynb_checkpoints']) {
      mkdirSync(path.join(folder, name));
    }
    for (const name of ['elsewhere/a.png', 'classes/.ipynb_checkpoints/a.png', 'classes/dogs/._b.png']) {
      await picture('#ff0000').png().toFile(path.join(folder, name));
    }
    symlinkSync(elsewhere, path.join(classes, 'cats'));
    symlinkSync(path.join(elsewhere, 'a.png'), path.join(classes, 'dogs', 'b.png'));
    symlinkSync(classes, path.join(classes, 'dogs', 'back'));

    const dataset = await readImageFolder(classes, { size: 32 });
    expect(dataset.labels).toEqual(['cats', 'dogs']);
    expect([...dataset.targets]).toEqual([0, 1]);
    expect(dataset.skipped).toEqual([]);
    const photos = await readPhotos(classes);
    expect(photos.files).toEqual([path.join('cats', 'a.png'), path.join('dogs', 'b.png')]);
  });

  it('leave out folders without images and images beside the folders, and say so', async () => {
    for (const name of ['cats', 'dogs', 'owls']) mkdirSync(path.join(folder, name));
    for (const name of ['cats/a.png', 'owls/b.png', 'lost.png']) {
      await picture('#ff0000').png().toFile(path.join(folder, name));
    }
    symlinkSync(path.join(folder, 'nowhere.png'), path.join(folder, 'owls', 'c.png'));
    const { labels, targets, skipped } = await readImageFolder(folder, { size: 32 });
    expect(labels).toEqual(['cats', 'owls']);
    expect([...targets]).toEqual([0, 1]);
    expect(skipped.map(({ file }) => file)).toEqual(['dogs', 'lost.png', path.join('owls', 'c.png')]);
    expect(skipped.map(({ reason }) => reason)).toEqual([
      'holds no images, so it is no class',
      'lies beside the folders of classes',
      expect.stringContaining('there is no such file'),
    ]);
  });

  it('name images of formats that are not read, at any depth, once for each folder and ending', async () => {
    for (const name of ['cats', 'owls']) mkdirSync(path.join(folder, name));
    for (const name of ['cats/a.png', 'owls/b.png'])
      await picture('#ff0000').png().toFile(path.join(folder, name));
    for (const name of ['cats/1.bmp', 'cats/2.BMP', 'owls/3.heic', 'owls/notes.txt'])
      writeFileSync(path.join(folder, name), 'x');
    const notRead = [
      {
        file: path.join('cats', '*.bmp'),
        reason: expect.stringMatching(/^2 images of .* PNG, JPEG, .* accepted$/),
      },
      {
        file: path.join('owls', '*.heic'),
        reason: expect.stringMatching(/^one image of a format that is not/),
      },
    ];
    expect((await readImageFolder(folder, { size: 32 })).skipped).toEqual(notRead);
    const { inputs, skipped } = await readInputs(folder, { height: 32, width: 32 });
    expect([inputs.shape[0], skipped]).toEqual([2, notRead]);
  });

  it('are counted while they are read, those that cannot be read too', async () => {
    mkdirSync(path.join(folder, 'cats'));
    await picture('#ff0000')
      .png()
      .toFile(path.join(folder, 'cats', 'a.png'));
    writeFileSync(path.join(folder, 'cats', 'broken.png'), 'no picture');
    const counted: [number, number][] = [];
    const onProgress = (done: number, count: number) => counted.push([done, count]);
    await readImageFolder(folder, { size: 32, onProgress });
    await readInputs(folder, { height: 32, width: 32, onProgress });
    await readPhotos(folder, { onProgress });
    expect(counted).toEqual(
      [1, 2, 3].flatMap(() => [
        [1, 2],
        [2, 2],
      ]),
    );
  });

  it('of formats that are not read alone say so', async () => {
    writeFileSync(path.join(folder, 'a.bmp'), 'x');
    const why = /; \*\.bmp: one image of a format that is not read/;
    await expect(readImageFolder(folder, { size: 32, unlabelled: true })).rejects.toThrow(why);
    await expect(readInputs(folder, { height: 32, width: 32 })).rejects.toThrow(why);
    mkdirSync(path.join(folder, 'cats'));
    writeFileSync(path.join(folder, 'cats', 'b.ppm'), 'x');
    await expect(readImageFolder(folder, { size: 32 })).rejects.toThrow(/2 left out, the first: \*\.bmp/);
  });

  it('that are empty, unreadable or too small say so', async () => {
    await expect(readImageFolder(folder, { size: 64 })).rejects.toThrow(/holds no folders/);
    mkdirSync(path.join(folder, 'cats'));
    await expect(readImageFolder(folder, { size: 64 })).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining('no readable images'),
    });
    writeFileSync(path.join(folder, 'cats', 'broken.png'), 'no picture');
    await expect(readImageFolder(folder, { size: 64 })).rejects.toThrow(/broken.png/);
    await expect(readImageFolder(path.join(folder, 'absent'), { size: 64 })).rejects.toMatchObject({
      code: 'io',
    });
    await expect(readImageFolder(folder, { size: 2.5 })).rejects.toThrow(/height 2.5: an integer from 1/);
    await picture('#ffffff')
      .png()
      .toFile(path.join(folder, 'cats', 'one.png'));
    const architecture = {
      kind: 'basic',
      layers: [1],
      width: 8,
      size: 64,
      classes: 2,
      granularity: [1],
    } as const;
    await expect(
      loadRecipeData({ seed: 1, architecture, data: { kind: 'folder', path: folder } }),
    ).rejects.toThrow(/1 readable images: too few/);
  });
});

describe('crops of photographs', () => {
  const photos = [50, 200].map((value) => ({
    ...{ width: 40, height: 30 },
    data: new Uint8Array(40 * 30 * 3).fill(value),
  }));
  const network = {
    ...smallNetwork({ height: 8, mapWidth: 8 }),
    preprocessing: { mean: [0, 0, 0], deviation: [1 / 255, 1 / 255, 1 / 255] } as const,
  };

  it('come photograph by photograph, in the size and the values that the network takes', async () => {
    const crops = await photoCrops(network, photos, { each: 3 });
    expect(crops.shape).toEqual([6, 8, 8, 3]);
    crops.data.forEach((value, i) => {
      expect(value).toBeCloseTo(i < crops.data.length / 2 ? 50 : 200, 3);
    });
  });

  it('are grey for a network of one channel: the luma, by the averages of the statistics', async () => {
    const grey = {
      ...smallNetwork({ height: 8, mapWidth: 6, imageChannels: 1 }),
      preprocessing: { mean: [0.1, 0.2, 0.3], deviation: [0.5, 0.5, 0.5] } as const,
    };
    const data = Uint8Array.from({ length: 40 * 30 * 3 }, (_, i) => [200, 100, 50][i % 3]!);
    const crops = await photoCrops(grey, [{ width: 40, height: 30, data }], { each: 2 });
    expect(crops.shape).toEqual([2, 8, 6, 1]);
    const luma = 0.299 * 200 + 0.587 * 100 + 0.114 * 50;
    for (const value of crops.data) expect(value).toBeCloseTo((luma / 255 - 0.2) / 0.5, 2);
  });

  it('refuse no photographs, no crops and a network for other images', async () => {
    await expect(photoCrops(network, [])).rejects.toThrow(/no photographs/);
    await expect(photoCrops(network, photos, { each: 0 })).rejects.toThrow(/each 0/);
    const other = { ...network, inputShape: { ...network.inputShape, channels: 4 } };
    await expect(photoCrops(other, photos)).rejects.toThrow(/takes 4 channels; images have 3, or 1/);
  });
});
