import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodePng, FoveaError, preprocess, Random, readImage } from '@fovea/engine';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeImage, looksLikeImage } from '../../../engine/src/image/decode.js';

/** A smooth picture, different in every channel. */
function picture(width: number, height: number, channels: 3 | 4 = 3) {
  const data = new Uint8Array(width * height * channels);
  for (let i = 0; i < data.length; i++) {
    const pixel = Math.floor(i / channels);
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    data[i] = [(255 * x) / width, (255 * y) / height, 128 + 100 * Math.sin(x / 9), 200][i % channels]!;
  }
  return { width, height, channels, data } as const;
}

describe('images', () => {
  it('decodes the PNG it encodes', async () => {
    const image = picture(37, 21);
    const png = await encodePng(image);
    expect(looksLikeImage(png)).toBe(true);
    const decoded = await decodeImage(png, 'a.png');
    expect([decoded.width, decoded.height]).toEqual([37, 21]);
    expect(decoded.data).toEqual(image.data);
  });

  it('drops transparency', async () => {
    const image = picture(8, 5, 4);
    const decoded = await decodeImage(await encodePng(image), 'a.png');
    expect(decoded.data).toEqual(image.data.filter((_, i) => i % 4 !== 3));
  });

  it.each(['b-w', 'grey16', 'palette'] as const)('decodes %s images to RGB', async (kind) => {
    const raw = sharp(picture(9, 7).data, { raw: { width: 9, height: 7, channels: 3 } });
    const png = kind === 'palette' ? raw.png({ palette: true }) : raw.toColourspace(kind).png();
    const decoded = await decodeImage(await png.toBuffer(), 'a.png');
    expect(decoded.data.length).toBe(9 * 7 * 3);
    if (kind !== 'palette') expect(decoded.data[0]).toBe(decoded.data[1]);
  });

  it('turns a JPEG upright', async () => {
    const { data } = picture(40, 20);
    const jpeg = await sharp(data, { raw: { width: 40, height: 20, channels: 3 } })
      .jpeg()
      .withMetadata({ orientation: 6 })
      .toBuffer();
    const decoded = await decodeImage(jpeg, 'a.jpg');
    expect([decoded.width, decoded.height]).toEqual([20, 40]);
  });

  it.each(['webp', 'avif', 'tiff', 'jpeg'] as const)('decodes %s by its content', async (format) => {
    const { data } = picture(40, 20);
    const raw = sharp(data, { raw: { width: 40, height: 20, channels: 3 } });
    const file = await raw.toFormat(format, { quality: 95 }).toBuffer();
    expect(looksLikeImage(file)).toBe(true);
    const decoded = await decodeImage(file, 'named.png');
    expect([decoded.width, decoded.height]).toEqual([40, 20]);
    const error = decoded.data.reduce((sum, value, i) => sum + Math.abs(value - data[i]!), 0) / data.length;
    expect(error).toBeLessThan(4);
  });

  it('takes the first frame of a GIF', async () => {
    const [red, blue] = ['#ff0000', '#0000ff'].map((background) => ({
      create: { width: 8, height: 6, channels: 3 as const, background },
    }));
    const frames = await Promise.all([red!, blue!].map((frame) => sharp(frame).png().toBuffer()));
    const file = await sharp(frames, { join: { animated: true } })
      .gif()
      .toBuffer();
    expect((await sharp(file).metadata()).pages).toBe(2);
    expect(looksLikeImage(file)).toBe(true);
    const decoded = await decodeImage(file, 'a.gif');
    expect([decoded.width, decoded.height, ...decoded.data.subarray(0, 3)]).toEqual([8, 6, 255, 0, 0]);
  });

  it.each([false, true])(
    'reads a JPEG without an end or with bytes behind it (progressive: %s)',
    async (progressive) => {
      const { data } = picture(40, 20);
      const raw = sharp(data, { raw: { width: 40, height: 20, channels: 3 } });
      const whole = new Uint8Array(await raw.jpeg({ progressive }).toBuffer());
      const expected = await decodeImage(whole, 'a.jpg');
      const longer = new Uint8Array([...whole, ...new TextEncoder().encode('SEFHe\0\0\0')]);
      for (const file of [whole.subarray(0, -1), whole.subarray(0, -2), longer]) {
        expect(await decodeImage(file, 'a.jpg')).toEqual(expected);
      }
      await expect(decodeImage(whole.subarray(0, -60), 'a.jpg')).rejects.toThrow(
        /a\.jpg is not a readable image/,
      );
    },
  );

  it('gives a network of grey images their luma', async () => {
    const image = { width: 1, height: 1, data: Uint8Array.of(255, 0, 51) };
    const size = { height: 3, width: 2, channels: 1 } as const;
    const tensor = await preprocess(image, { ...size, mean: [0.4, 0.5, 0.6], deviation: [0.2, 0.25, 0.3] });
    expect(tensor.shape).toEqual([1, 3, 2, 1]);
    expect(tensor.data[5]).toBeCloseTo((0.299 + 0.114 * 0.2 - 0.5) / 0.25, 5);
  });

  it('normalises with ImageNet’s statistics', async () => {
    const white = { width: 10, height: 10, data: new Uint8Array(300).fill(255) };
    const tensor = await preprocess(white, { height: 4, width: 6 });
    expect(tensor.shape).toEqual([1, 4, 6, 3]);
    expect(tensor.data[0]).toBeCloseTo((1 - 0.485) / 0.229, 5);
    expect(tensor.data[4]).toBeCloseTo((1 - 0.456) / 0.224, 5);
  });

  it('keeps the middle of a wide image, and its proportions', async () => {
    const tensor = await preprocess(picture(512, 256), {
      height: 224,
      width: 224,
      mean: [0, 0, 0],
      deviation: [1, 1, 1],
    });
    const red = (x: number) => tensor.data[(112 * 224 + x) * 3]!;
    // 512 x 256 keeps its size; columns 144 … 367 are the middle 224.
    expect(red(0)).toBeCloseTo(144 / 512, 1);
    expect(red(223)).toBeCloseTo(367 / 512, 1);
  });

  it('stretches when asked to', async () => {
    const tensor = await preprocess([picture(30, 60), picture(64, 16)], {
      height: 32,
      width: 32,
      fit: 'stretch',
    });
    expect(tensor.shape).toEqual([2, 32, 32, 3]);
  });

  it('takes every byte of a one-pixel image', async () => {
    const tensor = await preprocess(
      { width: 1, height: 1, data: Uint8Array.of(1, 2, 3) },
      { height: 224, width: 224 },
    );
    expect(tensor.data.every(Number.isFinite)).toBe(true);
  });

  it.each([
    [{ height: 0, width: 5 }, /height 0/],
    [{ height: 5, width: 1e9 }, /width 1000000000/],
    [{ height: 5, width: 5, cropFraction: 0 }, /cropFraction 0/],
    [{ height: 5, width: 5, deviation: [1, 0, 1] as const }, /deviation \[1, 0, 1\]/],
  ])('refuses %j', async (options, message) => {
    await expect(preprocess(picture(4, 4), options)).rejects.toThrow(message);
  });

  it('refuses pixels that do not match their size', async () => {
    await expect(encodePng({ width: 3, height: 3, channels: 3, data: new Uint8Array(5) })).rejects.toThrow(
      /5 bytes/,
    );
  });

  it('reads TIFF samples of 8 and 16 bits alike, and refuses those whose white is unknown', async () => {
    const ramp = (most: number) => Array.from({ length: 8 }, (_, i) => Math.round((most * i) / 7));
    const shown = async (tiff: Uint8Array) => {
      const { data } = await decodeImage(tiff, 'a.tiff');
      return Array.from({ length: 8 }, (_, i) => data[3 * i]!);
    };
    expect(await shown(greyTiff(Uint8Array.from(ramp(255)), 1))).toEqual(ramp(255));
    expect(await shown(greyTiff(Uint16Array.from(ramp(65535)), 1))).toEqual(ramp(255));
    for (const [samples, format, type] of [
      [Float32Array.from(ramp(7), (value) => value / 7), 3, 'float'],
      [Int16Array.from(ramp(32767)), 2, 'short'],
      [Uint32Array.from(ramp(2 ** 32 - 1)), 1, 'uint'],
    ] as const) {
      await expect(decodeImage(greyTiff(samples, format), 'a.tiff')).rejects.toThrow(
        `a.tiff is not a readable image: its samples are of type ${type}; unsigned integers of 8 or 16 bits`,
      );
    }
  });

  it('names a file that is no image', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fovea-image-'));
    writeFileSync(join(folder, 'text.png'), 'no image at all');
    await expect(readImage(join(folder, 'text.png'))).rejects.toThrow(/text\.png is not a readable image/);
    await expect(readImage(join(folder, 'none.png'))).rejects.toThrow(/none\.png: there is no such file/);
    rmSync(folder, { recursive: true });
  });

  it('refuses an image of a size that its few bytes cannot hold', async () => {
    const png = await encodePng(picture(4, 4));
    const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
    view.setUint32(16, 100_000);
    view.setUint32(20, 100_000);
    await expect(decodeImage(png, 'bomb.png')).rejects.toThrow(/bomb\.png/);
  });

  it('says how large a refused image is, and what would be accepted', async () => {
    const jpeg = new Uint8Array(
      await sharp(await encodePng(picture(4, 4)))
        .jpeg()
        .toBuffer(),
    );
    const frame = jpeg.findIndex((byte, i) => byte === 0xff && jpeg[i + 1] === 0xc0);
    const view = new DataView(jpeg.buffer, jpeg.byteOffset, jpeg.byteLength);
    view.setUint16(frame + 5, 9_000);
    view.setUint16(frame + 7, 12_000);
    await expect(decodeImage(jpeg, 'map.jpg')).rejects.toThrow(
      'map.jpg is not a readable image: it has 12000 x 9000 pixels; at most 100 million are accepted',
    );
  });

  it('decodes or refuses every damaged image, and nothing else', async () => {
    const random = new Random(5);
    const png = await encodePng(picture(24, 16));
    const jpeg = new Uint8Array(await sharp(png).jpeg().toBuffer());
    for (let round = 0; round < 150; round++) {
      const whole = round % 2 ? png : jpeg;
      const damaged = whole.slice(0, random.below(3) === 0 ? random.below(whole.length) : whole.length);
      for (let i = random.below(5); i >= 0 && damaged.length > 0; i--)
        damaged[random.below(damaged.length)] = random.below(256);
      await decodeImage(damaged, 'damaged').catch((error: unknown) =>
        expect(error).toBeInstanceOf(FoveaError),
      );
    }
  });
});

/**
 * A grey TIFF of one row.
 * @param format of its samples: 1 unsigned, 2 signed, 3 floating point
 */
function greyTiff(
  samples: Uint8Array | Uint16Array | Int16Array | Uint32Array | Float32Array,
  format: number,
) {
  const [short, long] = [3, 4];
  const bits = 8 * samples.BYTES_PER_ELEMENT;
  const entries = [
    [256, long, samples.length], // width
    [257, long, 1], // height
    [258, short, bits],
    [259, short, 1], // not compressed
    [262, short, 1], // black is zero
    [273, long, 126], // where the samples begin
    [278, long, 1], // rows in the strip
    [279, long, samples.byteLength],
    [339, short, format],
  ] as const;
  const file = Buffer.alloc(126 + samples.byteLength);
  file.write('II*\0\x08\0\0\0', 'latin1');
  file.writeUInt16LE(entries.length, 8);
  for (const [i, [tag, type, value]] of entries.entries()) {
    const at = 10 + 12 * i;
    file.writeUInt16LE(tag, at);
    file.writeUInt16LE(type, at + 2);
    file.writeUInt32LE(1, at + 4);
    file.writeUInt32LE(value, at + 8);
  }
  file.set(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength), 126);
  return file;
}
