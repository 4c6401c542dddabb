import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { RecordFile } from '../../../../kernel/src/cli/output/record-file.js';
import type { PointRecord } from '../../../../kernel/src/sweep/point.js';
import { fakePoint } from '../../sweep/support/points.js';

/** A small disk of one's own, where the system lets us make one. */
const disk = mkdtempSync(join(tmpdir(), 'fovea-records-'));
const hasDisk = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]).status === 0;
afterAll(() => {
  if (hasDisk) spawnSync('umount', [disk]);
  rmSync(disk, { recursive: true, force: true });
});

const record = (repeat: number, text = ''): PointRecord => ({
  ...fakePoint('sleep 0', repeat),
  ...{ status: 'completed', result: { text }, attempts: 1, worker: 'a' },
  ...{ startedAt: '2026-01-01T00:00:00.000Z', endedAt: '2026-01-01T00:00:01.000Z' },
});

describe.skipIf(!hasDisk)('a file of records (needs leave to mount a tmpfs)', () => {
  it('holds whole lines when the disk is full, and says how to get the others', () => {
    const path = join(disk, 'records.jsonl');
    const file = new RecordFile(path);
    file.add(record(0));
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(join(disk, 'filler'), new Uint8Array(bavail * bsize));
    file.add(record(1, 'x'.repeat(8192)));
    expect(() => file.close()).toThrow(/the disk is full; no result is lost: run the same command again/);
    expect(readFileSync(path, 'utf8')).toBe(`${JSON.stringify(record(0))}\n`);
  });
});
