import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { QueueUnreachable } from '../../../kernel/src/sweep/queue/queue-errors.js';
import { whenReachable } from '../../../kernel/src/sweep/queue/when-reachable.js';

/** How much too early timers fire, as Node's may by up to a millisecond. */
let earlyMs = 0;

/** Timers of a clock that the tests advance, which Node's own promises of timers do not follow. */
vi.mock('node:timers/promises', () => ({
  setTimeout: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms - earlyMs)),
}));
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
  earlyMs = 0;
});

/** When `connect` was called within `waitMs`, and what was said while it failed for one reason and then for another. */
async function attempts(waitMs: number) {
  const startMs = performance.now();
  const atMs: number[] = [];
  const said: string[] = [];
  const connect = async () => {
    atMs.push(performance.now() - startMs);
    throw new QueueUnreachable(atMs.length < 3 ? 'first reason' : 'second reason');
  };
  const waiting = whenReachable(connect, { waitMs, onWaiting: (reason) => said.push(reason) });
  const ended = expect(waiting).rejects.toThrow('second reason');
  await vi.advanceTimersByTimeAsync(2 * waitMs);
  await ended;
  return { atMs, said };
}

it('tries in growing intervals, until the time is over', async () => {
  const { atMs, said } = await attempts(1300);
  expect(atMs).toEqual([0, 200, 600, 1300]);
  expect(said).toEqual(['first reason', 'second reason']);
  expect((await attempts(20_000)).atMs).toEqual([0, 200, 600, 1400, 3000, 6200, 11_200, 16_200, 20_000]);
});

it('tries a last time only once where the timer fires just before the deadline', async () => {
  earlyMs = 1;
  expect((await attempts(1300)).atMs).toEqual([0, 199, 598, 1299]);
});
