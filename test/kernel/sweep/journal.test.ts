import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Journal } from '../../../kernel/src/sweep/embedded/journal.js';
import type { PointRecord } from '../../../kernel/src/sweep/point.js';
import { fakePoint } from './support/points.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fovea-journal-'));
  path = join(folder, 'test.jsonl');
});
afterEach(() => rmSync(folder, { recursive: true }));

const record = (repeat: number): PointRecord => ({
  ...fakePoint('sleep 0', repeat),
  ...{ status: 'completed', result: { repeat }, attempts: 1, worker: 'a' },
  ...{ startedAt: '2026-01-01T00:00:00.000Z', endedAt: '2026-01-01T00:00:01.000Z' },
});

async function reopened(): Promise<readonly PointRecord[]> {
  const journal = await Journal.open(path, 'test');
  await journal.close();
  return [...journal.records.values()];
}

describe('a journal', () => {
  it('keeps records and the space', async () => {
    const journal = await Journal.open(path, 'test');
    await journal.describe('test', { networks: ['quick-look'] }, [record(0).id, record(1).id]);
    await Promise.all([journal.add(record(0)), journal.add(record(1))]);
    await journal.close();
    expect(await reopened()).toEqual([record(0), record(1)]);
    const again = await Journal.open(path, 'test');
    expect(again.space).toEqual({ networks: ['quick-look'] });
    await again.close();
  });

  it('cuts off half a line that a dead process left, and loses no other', async () => {
    writeFileSync(path, `${JSON.stringify(record(0))}\n{"id":"p1","sta`);
    expect(await reopened()).toEqual([record(0)]);
    const journal = await Journal.open(path, 'test');
    await journal.add(record(1));
    await journal.close();
    expect(await reopened()).toEqual([record(0), record(1)]);
  });

  it('loses only the point of a line that cannot be read', async () => {
    writeFileSync(path, `${JSON.stringify(record(0))}\n\0\0\0\n${JSON.stringify(record(1))}\n`);
    expect(await reopened()).toEqual([record(0), record(1)]);
  });

  it.each<[string, () => void]>([
    ['removed', () => rmSync(path)],
    ['removed with its folder', () => rmSync(folder, { recursive: true })],
    ['moved away', () => renameSync(path, join(folder, 'moved.jsonl'))],
    ['emptied', () => truncateSync(path)],
    ['cut', () => truncateSync(path, 300)],
  ])('is whole again after it was %s while it was written', async (_, harm) => {
    const journal = await Journal.open(path, 'test');
    await journal.describe('test', { networks: ['quick-look'] }, [record(0).id, record(1).id]);
    await journal.add(record(0));
    harm();
    await Promise.all([journal.add(record(1)), journal.add(record(2))]);
    await journal.close();
    expect(await reopened()).toEqual([record(0), record(1), record(2)]);
    expect(await Journal.read(path)).toMatchObject({ space: { networks: ['quick-look'] }, points: 2 });
  });

  it('writes nothing into another file that was put in its place', async () => {
    const journal = await Journal.open(path, 'test');
    await journal.add(record(0));
    writeFileSync(`${path}.other`, 'other\n');
    renameSync(`${path}.other`, path);
    await expect(journal.add(record(1))).rejects.toThrow('was replaced by another file meanwhile');
    await journal.close();
    expect(readFileSync(path, 'utf8')).toBe('other\n');
  });

  it('is not written any more when another machine has it, which took this one for dead while that slept', async () => {
    const journal = await Journal.open(path, 'test');
    await journal.add(record(0));
    const other = '999999999 0123456789abcdef 1\n';
    writeFileSync(`${path}.lock`, other);
    await expect(journal.add(record(1))).rejects.toThrow(/^sweep test is another machine's by now/);
    await journal.close();
    expect(readFileSync(path, 'utf8')).toBe(`${JSON.stringify(record(0))}\n`);
    expect(readFileSync(`${path}.lock`, 'utf8')).toBe(other);
  });

  it('is refused to a second process, and free after one that has died', async () => {
    const journal = await Journal.open(path, 'test');
    await expect(Journal.open(path, 'test')).rejects.toThrow(
      new RegExp(`sweep test is under way in process ${process.pid}`),
    );
    await journal.close();
    writeFileSync(`${path}.lock`, '999999999\n');
    expect(await reopened()).toEqual([]);
  });

  it('says that the disk is full, and is whole afterwards', async () => {
    const journal = await Journal.open(path, 'test');
    await journal.add(record(0));
    const handle = await open(path);
    const write = vi.spyOn(Object.getPrototypeOf(handle), 'write').mockImplementationOnce(async () => {
      // A full disk takes a part of the line first.
      appendFileSync(path, '{"id":"p');
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    });
    await expect(journal.add(record(1))).rejects.toThrow(
      /cannot write the journal .*test.jsonl: the disk is full; its content is kept/,
    );
    write.mockRestore();
    await handle.close();
    expect(readFileSync(path, 'utf8')).toBe(`${JSON.stringify(record(0))}\n`);
    await journal.close();
    expect(await reopened()).toEqual([record(0)]);
  });

  it('keeps what is left of a file that was cut when the disk is full too', async () => {
    const journal = await Journal.open(path, 'test');
    for (const repeat of [0, 1]) await journal.add(record(repeat));
    const whole = `${JSON.stringify(record(0))}\n`;
    truncateSync(path, whole.length + 10);
    const handle = await open(path);
    const write = vi
      .spyOn(Object.getPrototypeOf(handle), 'write')
      .mockRejectedValue(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' }));
    await expect(journal.add(record(2))).rejects.toThrow('the disk is full');
    write.mockRestore();
    await handle.close();
    await journal.close();
    expect(await reopened()).toEqual([record(0)]);
  });
});
