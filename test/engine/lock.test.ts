import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processSpace, startOf } from '@fovea/engine/files';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  awaitLock,
  hasEnded,
  lockHolder,
  takeLock,
  underLock,
  watchedHolder,
} from '../../engine/src/lock.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fovea-lock-'));
  path = join(folder, 'first.jsonl.lock');
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a lock', () => {
  it("is one process's until it gives it back, and leaves no other file", async () => {
    const release = await takeLock(path, 'sweep first');
    expect(await lockHolder(path)).toEqual({ pid: process.pid, isElsewhere: false });
    await expect(takeLock(path, 'sweep first')).rejects.toThrow(
      `sweep first is under way in process ${process.pid}; one at a time is accepted`,
    );
    expect(readdirSync(folder)).toEqual(['first.jsonl.lock']);
    await release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is taken once by many who find that of a dead process at the same time', async () => {
    for (let round = 0; round < 20; round++) {
      writeFileSync(path, `999999999 ${processSpace} 1\n`);
      const taken = await Promise.allSettled(Array.from({ length: 8 }, () => takeLock(path, 'it')));
      const releases = taken.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
      expect(releases).toHaveLength(1);
      expect(readdirSync(folder)).toEqual(['first.jsonl.lock']);
      await releases[0]!();
    }
  });

  it.skipIf(startOf(process.pid) === undefined)(
    'is free when its process has ended and another one has its number, as containers give them',
    async () => {
      writeFileSync(path, `${process.pid} ${processSpace} 1\n`);
      expect(await lockHolder(path)).toBeUndefined();
      await (await takeLock(path, 'it'))();
    },
  );

  it('of another machine is respected while its holder says that it is alive', async () => {
    writeFileSync(path, '999999999 0123456789abcdef 1\n');
    expect(await lockHolder(path)).toEqual({ pid: 999999999, isElsewhere: true });
    await expect(takeLock(path, 'it')).rejects.toThrow('another machine or container');
    const before = Date.now() / 1000 - 61;
    utimesSync(path, before, before);
    await (await takeLock(path, 'it', { beatMs: 50 }))();
  });

  // A clock jumps when a machine wakes up, and machines that share a folder may have theirs minutes apart.
  it.each([-3600, 3600])('of another machine is respected by a clock %i s off', async (seconds) => {
    writeFileSync(path, '999999999 0123456789abcdef 1\n');
    const stamped = Date.now() / 1000 + seconds;
    utimesSync(path, stamped, stamped);
    let beat = stamped;
    const beating = setInterval(() => utimesSync(path, ++beat, beat), 500);
    await expect(
      takeLock(path, 'it', { beatMs: 1000 }).finally(() => clearInterval(beating)),
    ).rejects.toThrow('another machine');
    expect(readFileSync(path, 'utf8')).toContain('999999999');
  });

  it('of another machine is respected by one that has slept while it watched it', async () => {
    writeFileSync(path, '999999999 0123456789abcdef 1\n');
    utimesSync(path, 1000, 1000);
    let slept = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (slept += 3600_000));
    let beat = 1000;
    const beating = setInterval(() => utimesSync(path, ++beat, beat), 200);
    try {
      await expect(takeLock(path, 'it', { beatMs: 5000 })).rejects.toThrow('another machine');
    } finally {
      clearInterval(beating);
      clock.mockRestore();
    }
  });

  it("of another machine is watched by those who would act on its being nobody's", async () => {
    writeFileSync(path, '999999999 0123456789abcdef 1\n');
    utimesSync(path, 1000, 1000);
    expect(await lockHolder(path)).toBeUndefined();
    expect(await hasEnded(path)).toBe(false);
    expect(await watchedHolder(path, 50)).toBeUndefined();
    let beat = 1000;
    const beating = setInterval(() => utimesSync(path, ++beat, beat), 50);
    const holder = await watchedHolder(path).finally(() => clearInterval(beating));
    expect(holder).toEqual({ pid: 999999999, isElsewhere: true });
    writeFileSync(path, `999999999 ${processSpace} 1\n`);
    expect([await watchedHolder(path), await hasEnded(path)]).toEqual([undefined, true]);
    writeFileSync(path, `${process.pid} ${processSpace} ${startOf(process.pid) ?? ''}\n`);
    expect([(await watchedHolder(path))?.pid, await hasEnded(path)]).toEqual([process.pid, false]);
  });

  it('says that its holder is alive by the clock that stamps files where it is', async () => {
    const release = await takeLock(path, 'it', { beatMs: 20 });
    const clock = vi.spyOn(Date, 'now').mockReturnValue(0);
    vi.useFakeTimers({ toFake: ['Date'], now: 0 });
    try {
      const before = statSync(path).mtimeMs;
      await expect.poll(() => statSync(path).mtimeMs).toBeGreaterThan(before);
      expect(readFileSync(path, 'utf8')).toContain(`${process.pid} ${processSpace}`);
    } finally {
      vi.useRealTimers();
      clock.mockRestore();
      await release();
    }
  });

  it('that is waited for is had by one after the other', async () => {
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 5));
      inside--;
    };
    await Promise.all(Array.from({ length: 6 }, () => underLock(path, 'it', work, { wait: true })));
    expect(most).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('goes to one who waits before it goes again to one who has had it', async () => {
    const order: string[] = [];
    const often = async () => {
      for (let i = 0; i < 4; i++) {
        const release = await awaitLock(path);
        order.push('often');
        await new Promise((resolve) => setTimeout(resolve, 250));
        await release();
      }
    };
    const busy = often();
    while (order.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const release = await awaitLock(path);
    order.push('once');
    await release();
    await busy;
    expect(order).toEqual(['often', 'once', 'often', 'often', 'often']);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is left to one who waits and is slow to look again, but not for ever', async () => {
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
    try {
      const taken: string[] = [];
      const take = async (name: string) => {
        const release = await awaitLock(path);
        taken.push(name);
        await release();
      };
      writeFileSync(`${path}.waiting`, '');
      const first = take('after the slow one');
      await new Promise((resolve) => setTimeout(resolve, 400));
      expect(taken).toEqual([]);
      rmSync(`${path}.waiting`);
      await first;
      writeFileSync(`${path}.waiting`, '');
      const second = take('although one was killed while it waited');
      clock.mockReturnValue(1001);
      await second;
      expect(taken).toHaveLength(2);
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      clock.mockRestore();
    }
  });

  it('is waited for until the wait is given up, which leaves nothing', async () => {
    const release = await takeLock(path, 'it');
    for (const isSeen of [false, true]) {
      const controller = new AbortController();
      const waiting = awaitLock(path, controller.signal);
      if (isSeen) await expect.poll(() => existsSync(`${path}.waiting`)).toBe(true);
      controller.abort();
      await expect(waiting).rejects.toThrow('aborted');
    }
    await release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('of a dead process is taken although a third one was killed while it removed it', async () => {
    writeFileSync(path, '999999999\n');
    const before = Date.now() / 1000 - 3;
    writeFileSync(`${path}.removing`, '');
    utimesSync(`${path}.removing`, before, before);
    await (await takeLock(path, 'it'))();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('that was lost to another process is not given back in its place', async () => {
    const release = await takeLock(path, 'it');
    const other = `1 ${processSpace} \n`;
    expect(await release.isLost()).toBe(false);
    rmSync(path);
    expect(await release.isLost()).toBe(false);
    writeFileSync(path, other);
    expect(await release.isLost()).toBe(true);
    await release();
    expect(existsSync(path) && readFileSync(path, 'utf8')).toBe(other);
  });
});
