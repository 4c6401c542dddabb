import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { RecordFile, replaceUnlessLost } from '../../../../kernel/src/cli/output/record-file.js';
import type { PointRecord } from '../../../../kernel/src/sweep/point.js';
import { fakePoint } from '../../sweep/support/points.js';

/** A small disk of one's own, where the system lets us make one. */
const disk = mkdtempSync(join(tmpdir(), 'fovea-records-'));
const hasDisk = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'fovea-records-'));
const path = join(folder, 'records.jsonl');
beforeEach(() => rmSync(path, { force: true }));
afterAll(() => {
  if (hasDisk) spawnSync('umount', [disk]);
  for (const made of [disk, folder]) rmSync(made, { recursive: true, force: true });
});

const record = (repeat: number, text = ''): PointRecord => ({
  ...fakePoint('sleep 0', repeat),
  ...{ status: 'completed', result: { text }, attempts: 1, worker: 'a' },
  ...{ startedAt: '2026-01-01T00:00:00.000Z', endedAt: '2026-01-01T00:00:01.000Z' },
});

const text = (...records: PointRecord[]) => records.map((one) => `${JSON.stringify(one)}\n`).join('');
const content = () => readFileSync(path, 'utf8');
/** Of another sweep: no text of this one's. */
const other = text(record(9, 'of another sweep'));

describe('a file of records', () => {
  it('grows with each record, and has each of them once', async () => {
    const file = new RecordFile(path);
    expect(existsSync(path)).toBe(false);
    for (const one of [record(0), record(0), record(1)]) file.add(one);
    expect(content()).toBe(text(record(0), record(1)));
    expect(await file.end(false)).toBe(true);
  });

  it('is empty when a sweep has no records', async () => {
    expect(await new RecordFile(path).end(true)).toBe(true);
    expect(content()).toBe('');
  });

  it.each([
    ['whole lines', ''],
    ['half a line of a command that was killed', JSON.stringify(record(1)).slice(0, 40)],
  ])('goes on from the records of the same sweep that it has: %s', async (_, half) => {
    writeFileSync(path, text(record(2), record(0)) + half);
    const file = new RecordFile(path, [record(0), record(1), record(2)]);
    file.add(record(3));
    expect(content()).toBe(text(record(2), record(0), record(1), record(3)));
    expect(await file.end(false)).toBe(true);
  });

  it.each([
    ['records of another sweep', other],
    ['a last line without its end', other.trimEnd()],
    ['a record of the same point that was measured again', text(record(0, 'before'))],
  ])('keeps %s until the sweep is complete, and replaces them at once', async (_, before) => {
    writeFileSync(path, before);
    const stopped = new RecordFile(path);
    stopped.add(record(0));
    expect([await stopped.end(false), content()]).toEqual([false, before]);
    const whole = new RecordFile(path, [record(0)]);
    whole.add(record(1));
    expect(content()).toBe(before);
    expect([await whole.end(true), content()]).toEqual([true, text(record(0), record(1))]);
    expect(readdirSync(folder)).toEqual(['records.jsonl']);
  });

  it('is not mixed with what another program writes into it, and says so', async () => {
    const file = new RecordFile(path);
    file.add(record(0));
    appendFileSync(path, other);
    file.add(record(1));
    await expect(file.end(true)).rejects.toThrow(
      'another program has changed it meanwhile; no result is lost',
    );
    expect(content()).toBe(text(record(0)) + other);
  });

  it('that was removed while it grew is not begun again with a part of the records', async () => {
    const file = new RecordFile(path);
    file.add(record(0));
    rmSync(path);
    file.add(record(1));
    await expect(file.end(true)).rejects.toThrow(
      'another program has removed it meanwhile; no result is lost',
    );
    expect(existsSync(path)).toBe(false);
  });

  it('is written through a link, also to a file that is still to be made', async () => {
    const link = join(folder, 'link.jsonl');
    symlinkSync('records.jsonl', link);
    const file = new RecordFile(link);
    file.add(record(0));
    expect(content()).toBe(text(record(0)));
    await file.end(true);
    rmSync(link);
  });
});

it('a table is replaced by one with all of its lines, or by that of a complete sweep', async () => {
  writeFileSync(path, 'head\na\n');
  expect([await replaceUnlessLost(path, 'head\nb\n', false), content()]).toEqual([false, 'head\na\n']);
  expect([await replaceUnlessLost(path, 'head\nb\na\n', false), content()]).toEqual([true, 'head\nb\na\n']);
  expect([await replaceUnlessLost(path, 'head\nc\n', true), content()]).toEqual([true, 'head\nc\n']);
});

describe.skipIf(!hasDisk)('a file of records on a full disk (needs leave to mount a tmpfs)', () => {
  const fill = () => {
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(join(disk, 'filler'), new Uint8Array(bavail * bsize));
  };

  it('holds whole lines, and says how to get the others', async () => {
    const full = join(disk, 'records.jsonl');
    const file = new RecordFile(full);
    file.add(record(0));
    fill();
    file.add(record(1, 'x'.repeat(8192)));
    await expect(file.end(true)).rejects.toThrow(
      /the disk is full; no result is lost: run the same command again/,
    );
    expect(readFileSync(full, 'utf8')).toBe(text(record(0)));
    rmSync(join(disk, 'filler'));
  });

  it('keeps what was there', async () => {
    const full = join(disk, 'before.jsonl');
    writeFileSync(full, other);
    const file = new RecordFile(full);
    file.add(record(1, 'x'.repeat(8192)));
    fill();
    await expect(file.end(true)).rejects.toThrow(/the disk is full; what was there before is kept/);
    expect(readFileSync(full, 'utf8')).toBe(other);
  });
});
