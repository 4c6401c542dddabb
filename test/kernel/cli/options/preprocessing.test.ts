// @module-tag process
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodePng, loadNetwork, type Preprocessing, preprocess, run, type Tensor } from '@fovea/engine';
import { importOnnx, toOnnx } from '@fovea/engine/onnx';
import { float32Of, imagesOf, readImageFolder, readSafetensors } from '@fovea/engine/train';
import { readImage } from '@fovea/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeImage } from '../../../../engine/src/image/decode.js';
import { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { loadImages, loadInputs } from '../../../../kernel/src/cli/options/data.js';
import { readInput } from '../../../../kernel/src/cli/options/input.js';
import { LiveLibrary } from '../../../../kernel/src/display/live/library.js';
import { decodePng } from '../../../../kernel/src/display/picture.js';
import { relativeError, smallNetwork } from '../../../engine/support/small-network.js';
import { fixture, fovea } from '../run-fovea.js';

/** Wide, with an edge in every direction, half of it transparent: crop, resize and opacity all show. */
const image = (() => {
  const [width, height] = [90, 60];
  const data = new Uint8Array(width * height * 4);
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    data.set([(255 * x) / width, (255 * y) / height, x < 45 ? 40 : 220, y < 30 ? 0 : 255], 4 * i);
  }
  return { width, height, channels: 4, data } as const;
})();

const tiny = fixture('lasnet-tiny.safetensors');
const side = 64;
let folder = '';
let png: Uint8Array;
let path = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fovea-preprocessing-'));
  png = await encodePng(image);
  mkdirSync(join(folder, 'data', 'only'), { recursive: true });
  path = join(folder, 'data', 'only', 'picture.png');
  writeFileSync(path, png);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What each way of reading an image makes of it. */
async function readings(how: Preprocessing): Promise<Record<string, Tensor>> {
  const size = { height: side, width: side };
  return {
    engine: await preprocess(await decodeImage(png, 'picture.png'), { ...size, ...how }),
    folder: imagesOf(await readImageFolder(join(folder, 'data'), { size: side, ...how }), 1),
    notebook: (await readImage(path, size, how)).tensor,
  };
}

describe('an image', () => {
  it.each<[string, Preprocessing]>([
    ['as it is by default', {}],
    ['without a crop', { cropFraction: 1 }],
    ['stretched', { fit: 'stretch' }],
    ['with other statistics', { mean: [0.5, 0.4, 0.3], deviation: [0.5, 0.25, 1] }],
  ])('is the same input wherever it is read: %s', async (_, how) => {
    const { engine, ...others } = await readings(how);
    expect(engine!.data.every(Number.isFinite)).toBe(true);
    for (const [name, tensor] of Object.entries(others)) {
      expect(tensor.shape, name).toEqual(engine!.shape);
      expect(relativeError(tensor.data, engine!.data), name).toBeLessThan(1e-6);
    }
  });

  it('is cropped to 224/256 and keeps the colour of what is transparent, as torchvision evaluates', async () => {
    const { engine } = await readings({ mean: [0, 0, 0], deviation: [1, 1, 1] });
    const at = (y: number, x: number, c: number) => engine!.data[(y * side + x) * 3 + c]!;
    // 90 x 60 to 110 x 73, of which columns 23 to 86 and rows 5 to 68 are kept; row 5 is transparent.
    expect(at(0, 0, 0)).toBeCloseTo(23 / 110, 1);
    expect(at(0, 63, 0)).toBeCloseTo(86 / 110, 1);
    expect(at(0, 0, 1)).toBeCloseTo(5 / 73, 1);
    expect(at(0, 0, 2)).toBeCloseTo(40 / 255, 2);
  });

  it('is what the live panel shows to paint on', async () => {
    const { images } = await new LiveLibrary(join(folder, 'data', 'only')).catalogue();
    const thumbnail = decodePng(
      Buffer.from(images.find(({ name }) => name === 'picture.png')!.png, 'base64'),
    );
    const seen = await preprocess(await decodeImage(png, 'picture.png'), {
      ...{ height: thumbnail.height, width: thumbnail.width, mean: [0, 0, 0], deviation: [1, 1, 1] },
    });
    const shown = Float32Array.from({ length: seen.data.length }, (_, i) => {
      const pixel = Math.floor(i / 3) * thumbnail.channels;
      return thumbnail.data[pixel + (i % 3)]! / 255;
    });
    // Drawn with a palette.
    const error = shown.reduce((sum, value, i) => sum + Math.abs(value - seen.data[i]!), 0) / shown.length;
    expect(error).toBeLessThan(0.03);
  });
});

describe('fovea infer, on an image', () => {
  const logitsOf = async (...options: string[]) => {
    const out = join(folder, 'out.safetensors');
    const { code, stderr } = await fovea('infer', tiny, '--input', path, '--output', out, ...options);
    expect([code, stderr]).toEqual([0, '']);
    return float32Of(await readSafetensors(out), 'logits');
  };

  it.each<[string[], Preprocessing, number, number]>([
    [[], {}, side, side],
    [['--crop', '1'], { cropFraction: 1 }, side, side],
    [['--resize', 'stretch'], { fit: 'stretch' }, side, side],
    [['--size', '96x80'], {}, 96, 80],
    [
      ['--mean', '0.5', '--std', '0.5,0.25,1'],
      { mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.25, 1] },
      side,
      side,
    ],
  ])('obeys %j', async (options, how, height, width) => {
    const network = await loadNetwork(tiny);
    const input = await preprocess(await decodeImage(png, 'picture.png'), { ...how, height, width });
    const expected = (await run(network, input)).output.data;
    expect(relativeError(await logitsOf(...options), expected)).toBeLessThan(1e-4);
  });
});

describe('a network that says how its images are normalised', () => {
  it('is believed by commands, notebooks and the live panel, and overruled by options', async () => {
    const statistics = { mean: [0.1, 0.2, 0.3], std: [0.5, 0.6, 0.7] } as const;
    const own = { mean: statistics.mean, deviation: statistics.std };
    const network = await loadNetwork(tiny, { config: { size: side, ...statistics } });
    expect(network.preprocessing).toEqual(own);
    const size = { height: side, width: side };
    const decoded = await decodeImage(png, 'picture.png');
    const expected = await preprocess(decoded, { ...size, ...own });
    expect((await readImage(path, network)).tensor.data).toEqual(expected.data);
    expect((await readInput(path, network)).data).toEqual(expected.data);
    const data = await loadImages({ data: join(folder, 'data') }, network, 1);
    expect(relativeError(imagesOf(data, 1).data, expected.data)).toBeLessThan(1e-6);
    const library = new LiveLibrary(join(folder, 'data', 'only'));
    const plain = await loadNetwork(tiny);
    const seen = await library.image('picture.png', plain);
    expect((await library.image('picture.png', network)).tensor.data).toEqual(expected.data);
    expect(seen.tensor.data).toEqual((await preprocess(decoded, size)).data);
    const said = await readInput(path, network, { mean: '0', crop: '1' });
    const overruled = { ...size, cropFraction: 1, mean: [0, 0, 0], deviation: own.deviation } as const;
    expect(said.data).toEqual((await preprocess(decoded, overruled)).data);
  });

  it('is refused when it says no numbers', async () => {
    for (const config of [{ mean: [0.5] }, { std: [0, 1, 1] }, { mean: 'half' }]) {
      await expect(loadNetwork(tiny, { config: config as object })).rejects.toThrow(
        /(mean|std) .*three numbers( above 0)? are accepted/,
      );
    }
  });
});

describe('options that would not be used', () => {
  const array = fixture('lasnet-tiny.ref.safetensors');
  it.each([
    [['infer', tiny, '--input', array, '--crop', '1'], /--crop 1: is for images/],
    [['infer', tiny, '--input', array, '--size', '32'], /--size 32: is for images/],
    [['infer', tiny, '--input', array, '--rate', '0.5'], /rate 0.5: learned masks have rates of their own/],
    [
      ['infer', tiny, '--input', array, '--masker', 'saliency', '--seed', '3'],
      /seed 3: saliency masks draw nothing/,
    ],
    [['evaluate', tiny, '--rate', '0.5'], /rate 0.5: learned masks have rates of their own/],
    [['evaluate', tiny, '--crop', '0.9'], /--crop 0.9: is for images of --data/],
    [['fit', tiny, '--resize', 'stretch'], /--resize stretch: is for images of --data/],
    [['fit', tiny, '--data', '.', '--seed', '3'], /--seed 3: it selects generated images/],
    [['adapt', tiny, '--images', '.', '--output', 'out', '--crop', '0.9'], /unknown option '--crop'/],
  ])('are refused: %j', async (args, message) => {
    const { code, stdout, stderr } = await fovea(...args);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(message);
  });

  it.each([
    [['--crop', '0'], /--crop 0: a number above 0, up to 1/],
    [['--crop', '1.5'], /--crop 1.5/],
    [['--resize', 'fill'], /--resize fill: crop or stretch/],
    [['--crop', '0.5', '--resize', 'stretch'], /nothing is cut off/],
    [['--mean', '1,2'], /--mean 1,2: one or three numbers/],
    [['--std', '1,0,1'], /--std 1,0,1: one or three numbers above 0/],
    [['--size', '0'], /--size 0: a side/],
    [['--excitation', 'fast'], /--excitation: excitation "fast"; exact or active/],
  ])('and so are wrong ones: %j', async (options, message) => {
    const { code, stderr } = await fovea('infer', tiny, '--input', path, ...options);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });
});

describe('fovea evaluate and fit, on a folder', () => {
  it('take as many images as was said, spread over the classes', async () => {
    const many = join(folder, 'many');
    for (const name of ['a', 'b']) {
      mkdirSync(join(many, name), { recursive: true });
      for (let i = 0; i < 3; i++) writeFileSync(join(many, name, `${i}.png`), png);
    }
    const options = ['--data', many, '--images', '2', '--json'];
    const { stdout } = await fovea('evaluate', tiny, ...options, '--crop', '1', '--size', '96');
    expect(JSON.parse(stdout)).toMatchObject({ images: 2 });
    const fitted = await fovea('fit', tiny, ...options, '--agreement', '1');
    expect(JSON.parse(fitted.stdout)).toMatchObject({ images: 2 });
    const { targets } = await readImageFolder(many, { size: side, most: 2 });
    expect([...targets]).toEqual([0, 1]);
  });
});

describe('inputs of a network that takes no squares in colour', () => {
  const grey = async (height: number, width: number) => {
    const graph = new GraphBuilder();
    const x = graph.input('x', ['batch', 1, height, width]);
    const weight = graph.floats(
      'w',
      [2, 1, 3, 3],
      Float32Array.from({ length: 18 }, (_, i) => i / 18),
    );
    const name = graph.node('Conv', [x, weight], { kernel_shape: [3, 3] });
    return importOnnx(graph.finish('grey', [{ name }]).model, 'grey');
  };

  it('are the images of the folder as they are read everywhere, at any depth', async () => {
    const inputs = await loadInputs({ data: join(folder, 'data') }, await grey(24, 96), 8);
    const expected = await preprocess(await decodeImage(png, 'picture.png'), {
      ...{ height: 24, width: 96, channels: 1 },
    });
    expect(inputs.shape).toEqual([1, 24, 96, 1]);
    expect(relativeError(inputs.data, expected.data)).toBeLessThan(1e-6);
  });

  it('are what fovea evaluate measures, in classes', async () => {
    const oblong = join(folder, 'oblong.onnx');
    const network = smallNetwork({ learned: false, imageChannels: 1, height: 24, mapWidth: 96 });
    writeFileSync(oblong, toOnnx(network));
    const options = ['--masker', 'random', '--json'];
    const read = await fovea(
      'evaluate',
      oblong,
      ...options,
      '--data',
      join(folder, 'data'),
      '--size',
      '16x40',
    );
    expect([read.code, JSON.parse(read.stdout)]).toMatchObject([0, { images: 1, coverage: [] }]);
    const drawn = await fovea('evaluate', oblong, ...options, '--images', '2');
    expect(JSON.parse(drawn.stdout)).toMatchObject({ images: 2, coverage: [{}, {}] });
    const compared = await fovea('evaluate', oblong, '--compare', '0.7', '--images', '2', '--json');
    expect(JSON.parse(compared.stdout)).toMatchObject({ images: 2, comparison: [{}, {}, {}, {}] });
    const data = await loadImages({ data: join(folder, 'data') }, network, 1);
    const inputs = await loadInputs({ data: join(folder, 'data') }, network, 1);
    expect(imagesOf(data, 1, 1).data).toEqual(inputs.data);
  });

  it('are drawn scenes otherwise, of its size', async () => {
    const inputs = await loadInputs({ images: '3', seed: '5' }, await grey(24, 96), 8);
    expect(inputs.shape).toEqual([3, 24, 96, 1]);
    const each = Array.from({ length: 3 }, (_, i) => inputs.data.subarray(i * 24 * 96, (i + 1) * 24 * 96));
    for (const scene of each) expect(new Set(scene).size).toBeGreaterThan(100);
    expect(each[0]).not.toEqual(each[1]);
  });

  it('refuses options without an effect, and inputs that are no images', async () => {
    const network = await grey(24, 96);
    await expect(loadInputs({ data: folder, seed: '1' }, network, 1)).rejects.toThrow(/--seed 1: .*--data/);
    await expect(loadInputs({ crop: '0.5' }, network, 1)).rejects.toThrow(/--crop 0.5: .*drawn to size/);
    const five = { ...network, inputShape: { ...network.inputShape, channels: 5 } };
    await expect(loadInputs({}, five, 1)).rejects.toThrow(/grey takes 5 channels; images have 3, or 1/);
  });
});
