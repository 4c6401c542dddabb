import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FoveaError } from '@fovea/engine';
import { afterAll, describe, expect, it } from 'vitest';
import {
  findKept,
  keepNetwork,
  keptBy,
  keptMaterial,
  keptPath,
  namesKept,
  shortName,
} from '../../../kernel/src/sweep/kept-networks.js';

const base = mkdtempSync(join(tmpdir(), 'fovea-kept-'));
afterAll(() => rmSync(base, { recursive: true }));
const newFolder = () => mkdtempSync(join(base, 'data-'));
/** SHA-256 of `abc`, from FIPS 180-2. */
const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

describe('networks that sweeps keep', () => {
  it('are found by the hash of their content, its short name, or eight digits', async () => {
    const data = newFolder();
    const model = await keepNetwork(data, (path) => writeFile(path, 'abc'));
    expect(model).toBe(`sha256:${abc}`);
    const found = { path: keptPath(data, abc), sha256: abc };
    for (const name of [model, shortName(abc), 'sha256:ba7816bf']) {
      expect(namesKept(name)).toBe(true);
      expect(findKept(data, name)).toEqual(found);
    }
    expect(readFileSync(found.path, 'utf8')).toBe('abc');
    expect(await keptMaterial(data, abc)).toEqual({
      sha256: abc,
      files: [{ name: `${abc}.safetensors`, sha256: abc, bytes: 3, path: found.path }],
    });
  });

  it('are kept once, and leave nothing behind when saving fails', async () => {
    const data = newFolder();
    for (let i = 0; i < 2; i++) await keepNetwork(data, (path) => writeFile(path, 'abc'));
    const own = new FoveaError('io', 'the disk is full');
    const fails = (error: Error) =>
      keepNetwork(data, async (path) => {
        await writeFile(path, 'ab');
        throw error;
      });
    await expect(fails(own)).rejects.toBe(own);
    await expect(fails(new Error('no'))).rejects.toMatchObject({
      code: 'io',
      message: expect.stringMatching(/^cannot keep a network in .*: no$/),
    });
    const cause = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    const full = new FoveaError('io', 'cannot save .~fovea-1: the disk is full', { cause });
    const folder = join(data, 'sweeps', 'networks');
    await expect(fails(full)).rejects.toMatchObject({
      ...{ code: 'io', message: `cannot keep a network in ${folder}: the disk is full`, cause: full },
    });
    expect(readdirSync(folder)).toEqual([`${abc}.safetensors`]);
  });

  it('are refused by a hash that fits none, several, or is none', async () => {
    const data = newFolder();
    await expect(async () => findKept(data, shortName(abc))).rejects.toThrow(
      /: none of the networks .* begins so/,
    );
    await keepNetwork(data, (path) => writeFile(path, 'abc'));
    writeFileSync(keptPath(data, `${abc.slice(0, 10)}${'0'.repeat(54)}`), 'other');
    expect(() => findKept(data, `sha256:${abc.slice(0, 8)}`)).toThrow(/: 2 of the networks .* begin so/);
    expect(findKept(data, shortName(abc)).sha256).toBe(abc);
    for (const model of [
      'sha256:',
      'sha256:ba7816b',
      `sha256:${abc}0`,
      'sha256:../../secret',
      'sha256:BA7816BF',
    ])
      expect(() => findKept(data, model)).toThrow(/at least 8 digits/);
  });

  it('are known by a result that names one', () => {
    expect(keptBy({ model: `sha256:${abc}` })).toBe(abc);
    for (const model of [undefined, 3, 'resnet18', 'sha256:xyz'])
      expect(keptBy({ model } as never)).toBeUndefined();
  });
});
