import { expect, it } from 'vitest';
import { Turns } from '../../../kernel/src/sweep/embedded/turns.js';

const going = new AbortController().signal;

it('a sweep that is cancelled does not wait for the turn that another sweep has', async () => {
  const turns = new Turns();
  let end: () => void = () => undefined;
  const long = turns.take(true, going, () => new Promise<void>((resolve) => (end = resolve)));
  const cancelled = new AbortController();
  const ran: string[] = [];
  const waiting = turns.take(true, cancelled.signal, async () => ran.push('cancelled'));
  const next = turns.take(true, going, async () => ran.push('next'));
  cancelled.abort();
  expect(await waiting).toBeUndefined();
  expect(await turns.take(true, cancelled.signal, async () => ran.push('too late'))).toBeUndefined();
  expect(ran).toEqual([]);
  end();
  await Promise.all([long, next]);
  expect(ran).toEqual(['next']);
});
