import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Pictures } from '../../../kernel/src/display/live/pictures.js';

describe('pictures beside a notebook', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fovea-pictures-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const good = () => encode({ width: 4, height: 4, channels: 3, data: new Uint8Array(48) });
  const write = (name: string, content: string | Uint8Array) => writeFileSync(join(folder, name), content);
  const find = async () => {
    const { images, refusedImages = [], moreImages } = await new Pictures(folder).find();
    return {
      names: images.map(({ name }) => name),
      reasons: refusedImages.map(({ reason }) => reason),
      moreImages,
    };
  };

  it('that cannot be offered are named with the reason', async () => {
    write('a.png', good());
    write('cut.png', good().slice(0, 40));
    write('empty.jpg', '');
    write('huge.png', '');
    truncateSync(join(folder, 'huge.png'), 40_000_001);
    write('phone.HEIC', 'x');
    write('text.png', 'not a picture');
    expect(await find()).toEqual({
      names: ['a.png'],
      reasons: [
        'phone.HEIC is of a format that is not read: PNG, JPEG, WebP, GIF, AVIF and TIFF are accepted',
        expect.stringMatching(/^cut\.png is not a readable image: /),
        expect.stringMatching(/^empty\.jpg is not a readable image: /),
        'huge.png has 41 MB; pictures of up to 40 MB are accepted',
        expect.stringMatching(/^text\.png is not a readable image: /),
      ],
      moreImages: undefined,
    });
  });

  it('beyond the first twelve are counted; folders and other files are none', async () => {
    for (let i = 0; i < 14; i++) write(`${String(i).padStart(2, '0')}.png`, good());
    mkdirSync(join(folder, '00-folder.png'));
    write('notes.txt', 'x');
    const { names, reasons, moreImages } = await find();
    expect([names.length, reasons, moreImages]).toEqual([12, [], 2]);
  });

  it('that somebody asks for are looked at however many there are, and refused where they are no pictures', async () => {
    for (let i = 0; i < 14; i++) write(`${String(i).padStart(2, '0')}.png`, good());
    write('zz.png', good());
    write('drawing.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>');
    const pictures = new Pictures(folder);
    for (const name of ['zz.png', 'drawing.svg', '../outside.png', 'gone.png']) pictures.want(name);
    const { images, refusedImages, moreImages } = await pictures.find();
    expect(images.map(({ name }) => name)).toContain('zz.png');
    expect(images).toHaveLength(13);
    expect(refusedImages).toEqual([
      {
        name: 'drawing.svg',
        reason:
          'drawing.svg is of a format that is not read: PNG, JPEG, WebP, GIF, AVIF and TIFF are accepted',
      },
    ]);
    expect(moreImages).toBe(2);
    await expect(pictures.keyOf('zz.png')).resolves.toMatch(/^zz\.png /);
  });

  it('are looked at again when their file has changed', async () => {
    write('a.png', 'half');
    const pictures = new Pictures(folder);
    expect((await pictures.find()).refusedImages).toHaveLength(1);
    write('a.png', good());
    expect(await pictures.find()).toEqual({ images: [{ name: 'a.png', png: expect.any(String) }] });
  });
});
