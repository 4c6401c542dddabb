import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Uploads } from '../../../kernel/src/server/contents/uploads.js';
import { serverWithApi } from './support/api.js';

const lab = serverWithApi();
const file = (name: string) => join(lab.server.folder, name);
const path = '/api/contents/kept.txt';
const whole = { type: 'file', format: 'text', content: 'new' };

/** A request to save is checked as a whole before the file is touched. */
describe('a save that cannot be right', () => {
  beforeEach(() => writeFileSync(file('kept.txt'), 'old'));

  const bad: readonly [string, unknown][] = [
    ['without a body', undefined],
    ['of null', 'null'],
    ['of nothing', {}],
    ['without content', { type: 'file', format: 'text' }],
    ['with null for content', { ...whole, content: null }],
    ['without a format', { type: 'file', content: 'new' }],
    ['in an unknown format', { ...whole, format: 'utf-16' }],
    ['without a type', { format: 'text', content: 'new' }],
    ['of an unknown type', { ...whole, type: 'socket' }],
    ['of a folder over a file', { type: 'directory' }],
    ['of a number', { ...whole, content: 7 }],
    ['of base64 with other characters', { ...whole, format: 'base64', content: 'not base64!' }],
    ['of base64 that was cut', { ...whole, format: 'base64', content: 'QUJDR' }],
    ['of base64 padded in the middle', { ...whole, format: 'base64', content: 'QQ==QUJD' }],
    ['of half of a surrogate pair', '{"type":"file","format":"text","content":"a\\ud800b"}'],
    ['of a notebook without cells', { type: 'notebook', format: 'json', content: {} }],
    ['of a notebook in chunks', { type: 'notebook', content: { cells: [], nbformat: 4 }, chunk: 1 }],
    ['that is to be a copy', { ...whole, copy_from: 'a.txt' }],
    ['of chunk 0', { ...whole, chunk: 0 }],
    ['of a last chunk without the ones before', { ...whole, chunk: -1 }],
  ];

  it.each(bad)('%s is refused, and the file stays', async (_, body) => {
    const answer = await lab.ask('PUT', path, body);
    expect(answer.status).toBe(400);
    expect(answer.body.message).toMatch(/\w/);
    expect(readFileSync(file('kept.txt'), 'utf8')).toBe('old');
    expect(readdirSync(lab.server.folder)).toEqual(['kept.txt']);
  });

  it('in bytes that are no UTF-8 is refused', async () => {
    const answer = await lab.server.fetch(path, {
      method: 'PUT',
      body: Buffer.concat([
        Buffer.from('{"type":"file","format":"text","content":"'),
        Buffer.from([0xff]),
        Buffer.from('"}'),
      ]),
    });
    expect(answer.status).toBe(400);
    expect(readFileSync(file('kept.txt'), 'utf8')).toBe('old');
  });

  it('layouts, settings and sections of configuration stay too', async () => {
    const workspace = '/lab/api/workspaces/one';
    await lab.ask('PUT', workspace, { data: { layout: 1 }, metadata: { id: 'one' } });
    expect((await lab.ask('PUT', workspace, { metadata: { id: 'one' } })).status).toBe(400);
    expect((await lab.ask('GET', workspace)).body.data).toEqual({ layout: 1 });
    await lab.ask('PUT', '/api/config/one', { a: 1 });
    expect((await lab.ask('PUT', '/api/config/one')).status).toBe(400);
    expect((await lab.ask('GET', '/api/config/one')).body).toEqual({ a: 1 });
  });

  it('a section of configuration that cannot be read stays, and the change is refused', async () => {
    const section = join(lab.server.stateFolder, 'config', 'mine.json');
    await lab.ask('PUT', '/api/config/mine', { a: 1 });
    writeFileSync(section, '{"a": 1, "by hand": }');
    expect((await lab.ask('GET', '/api/config/mine')).body).toEqual({});
    const refused = await lab.ask('PATCH', '/api/config/mine', { b: 2 });
    expect([refused.status, refused.body.message]).toEqual([
      500,
      'The configuration was left as it is: config/mine.json in the state folder of the lab is no JSON object',
    ]);
    expect(readFileSync(section, 'utf8')).toBe('{"a": 1, "by hand": }');
    // Links that lead to each other.
    rmSync(section);
    symlinkSync(section, section);
    expect((await lab.ask('PATCH', '/api/config/mine', { b: 2 })).status).toBe(404);
    expect(lstatSync(section).isSymbolicLink()).toBe(true);
  });
});

describe('an upload in chunks', () => {
  const send = (chunk: number, content: string, format = 'text') =>
    lab.ask('PUT', '/api/contents/big.txt', { type: 'file', format, content, chunk });

  it.each([
    ['a chunk was skipped', () => send(3, 'three')],
    ['a chunk was no base64', () => send(2, 'two!', 'base64')],
    ['a chunk held nothing', () => lab.ask('PUT', '/api/contents/big.txt', {})],
  ])('when %s: the last one does not complete a file with a hole', async (_, disturb) => {
    writeFileSync(file('big.txt'), 'old');
    expect((await send(1, 'one ')).status).toBe(200);
    expect((await disturb()).status).toBe(400);
    const last = await send(-1, 'last');
    expect(last.status).toBe(400);
    expect(readFileSync(file('big.txt'), 'utf8')).toBe('old');
    expect(readdirSync(lab.server.folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  const clean = () => readdirSync(lab.server.folder).filter((name) => name.startsWith('.'));

  it('from two tabs at once: their chunks do not mix, and the next upload succeeds', async () => {
    writeFileSync(file('big.txt'), 'old');
    expect((await send(1, 'first of A ')).status).toBe(200);
    const other = await send(1, 'first of B ');
    expect(other.status).toBe(409);
    expect(other.body.message).toMatch(/Another upload of big.txt .* upload it once more/);
    expect((await send(-1, 'last of A')).status).toBe(400);
    expect(readFileSync(file('big.txt'), 'utf8')).toBe('old');
    expect(clean()).toEqual([]);
    expect((await send(1, 'first of B ')).status).toBe(200);
    expect((await send(-1, 'last of B')).status).toBe(200);
    expect(readFileSync(file('big.txt'), 'utf8')).toBe('first of B last of B');
  });

  it('from two tabs in the same moment: at most one of them is taken, whole', async () => {
    writeFileSync(file('big.txt'), 'old');
    for (let round = 0; round < 10; round++) {
      const tab = async (name: string) => {
        const answers = [await send(1, `${name}1 `), await send(2, `${name}2 `), await send(-1, `${name}3`)];
        return answers.every(({ status }) => status < 300);
      };
      const taken = await Promise.all([tab('A'), tab('B')]);
      expect(taken.filter(Boolean).length).toBeLessThanOrEqual(1);
      const content = readFileSync(file('big.txt'), 'utf8');
      expect(['old', 'A1 A2 A3', 'B1 B2 B3']).toContain(content);
    }
    expect(clean()).toEqual([]);
  });

  it('begins afresh when the tab before has gone in the middle', async () => {
    let now = 0;
    const uploads = new Uploads(() => now);
    const path = file('gone.txt');
    const chunk = (number: number, text: string) => uploads.accept(path, number, Buffer.from(text));
    expect(await chunk(1, 'half ')).toBe(false);
    now = 31_000;
    expect(await chunk(1, 'one ')).toBe(false);
    expect(await chunk(-1, 'two')).toBe(true);
    expect(readFileSync(path, 'utf8')).toBe('one two');
  });

  it('is on the disk before it takes its name: a power cut cannot take what was said to be saved', async () => {
    const handle = await open(file('probe.txt'), 'w');
    const synced = new Set<number>();
    const prototype = Object.getPrototypeOf(handle) as typeof handle;
    const { sync } = prototype;
    vi.spyOn(prototype, 'sync').mockImplementation(async function (this: typeof handle) {
      await sync.call(this);
      synced.add((await this.stat()).ino);
    });
    await handle.close();
    try {
      await send(1, 'one ');
      await send(-1, 'two');
      expect([...synced]).toContain(statSync(file('big.txt')).ino);
      expect([...synced]).toContain(statSync(lab.server.folder).ino);
    } finally {
      vi.restoreAllMocks();
    }
  });

  it('replaces a file through a link to it, under its permissions', async () => {
    mkdirSync(file('data'));
    writeFileSync(file('data/real.txt'), 'old', { mode: 0o640 });
    symlinkSync(file('data/real.txt'), file('linked.txt'));
    for (const [chunk, content] of [
      [1, 'one '],
      [-1, 'two'],
    ] as const) {
      await lab.ask('PUT', '/api/contents/linked.txt', { type: 'file', format: 'text', content, chunk });
    }
    expect(readFileSync(file('data/real.txt'), 'utf8')).toBe('one two');
  });
});
