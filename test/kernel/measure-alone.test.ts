import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { measureAlone } from '../../kernel/src/measure-alone.js';
import { useDataFolder } from '../support/data-folder.js';

useDataFolder();
const data = () => process.env.FOVEA_DATA_DIR!;

it('measurements wait for each other, and one that fails does not keep the next from its turn', async () => {
  const order: string[] = [];
  const measure = (name: string, ends: boolean) =>
    measureAlone(async () => {
      order.push(`${name} begins`);
      await delay(150);
      order.push(`${name} ends`);
      if (!ends) throw new Error('failed');
    });
  const first = measure('first', false);
  while (order.length === 0) await delay(5);
  const second = measure('second', true);
  await expect(first).rejects.toThrow('failed');
  await second;
  expect(order).toEqual(['first begins', 'first ends', 'second begins', 'second ends']);
  expect(readdirSync(data())).toEqual([]);
});

it('a measurement that is not waited for any longer does not begin', async () => {
  const stop = new AbortController();
  const long = measureAlone(() => delay(400));
  while (readdirSync(data()).length === 0) await delay(5);
  const waiting = measureAlone(() => Promise.reject(new Error('began')), stop.signal);
  stop.abort(new Error('given up'));
  await expect(waiting).rejects.toThrow('given up');
  await long;
});

it('measures also where no lock can be written', async () => {
  rmSync(data(), { recursive: true, force: true });
  writeFileSync(data(), '');
  try {
    expect(await measureAlone(async () => 1)).toBe(1);
  } finally {
    rmSync(data());
    mkdirSync(data());
  }
});
