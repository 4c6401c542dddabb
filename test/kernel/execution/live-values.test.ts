import { Session } from 'node:inspector';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InspectorLiveValues } from '../../../kernel/src/execution/host/live-values.js';

const session = new Session();
const looked = new Set<unknown>();
const released: unknown[] = [];

const values = new InspectorLiveValues(async (method, params) => {
  const { objectGroup } = params as { objectGroup?: unknown };
  if (method === 'Runtime.releaseObjectGroup') released.push(objectGroup);
  else if (objectGroup !== undefined) looked.add(objectGroup);
  return new Promise((resolve, reject) => {
    session.post(method, params, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
});

const names = async (chain: string) => (await values.properties(chain)).map(({ name }) => name);

beforeAll(() => {
  session.connect();
  Object.assign(globalThis, {
    liveSample: {
      own: 1,
      list: [1, 2],
      text: 'a',
      nothing: null,
      method() {},
      Shape: class {},
      get touched() {
        throw new Error('a getter was run');
      },
      __hidden: true,
      [Symbol('s')]: 1,
    },
  });
});
afterAll(() => {
  delete (globalThis as { liveSample?: unknown }).liveSample;
  session.disconnect();
});

describe('properties of living values', () => {
  it('are those of the object and of what it inherits, with their kinds', async () => {
    const found = new Map((await values.properties('liveSample')).map(({ name, type }) => [name, type]));
    expect(found.get('own')).toBe('property');
    expect(found.get('method')).toBe('function');
    expect(found.get('Shape')).toBe('class');
    expect(found.get('touched')).toBe('property');
    expect(found.get('hasOwnProperty')).toBe('function');
    expect([...found.keys()]).not.toContain('__hidden');
  });

  it('of a list leave its elements out, and of a primitive value are its methods', async () => {
    expect(await names('liveSample.list')).toContain('map');
    expect(await names('liveSample.list')).not.toContain('0');
    expect(await names('liveSample.text')).toContain('toUpperCase');
    expect(await names('liveSample.own')).toContain('toFixed');
  });

  it('of the global scope are its own only', async () => {
    const found = await names('');
    expect(found).toContain('liveSample');
    expect(found).not.toContain('toString');
  });

  it.each([
    'liveSample.nothing',
    'liveSample.absent',
    'liveSample.absent.more',
    'liveSample.touched',
    'noSuchName',
  ])('are none where a chain leads nowhere, or would run code: %s', async (chain) => {
    expect(await names(chain)).toEqual([]);
  });
});

describe('a description of a living value', () => {
  it.each([
    ['liveSample.own', '1'],
    ['liveSample.text', 'a'],
    ['liveSample.nothing', 'null'],
    ['liveSample.list', 'Array(2)'],
    ['liveSample.absent', undefined],
    ['liveSample.touched', undefined],
    ['liveSample.own = 2', undefined],
  ])('of %s is %s', async (expression, expected) => {
    expect(await values.describe(expression)).toBe(expected);
  });
});

it('releases what each look has found, and nothing that another one under way still needs', async () => {
  const together = await Promise.all([
    values.properties('liveSample.list'),
    values.describe('liveSample'),
    values.properties('liveSample'),
  ]);
  expect(together.map((found) => found?.length)).not.toContain(0);
  expect(looked.size).toBeGreaterThan(3);
  expect(new Set(released)).toEqual(looked);
  expect(released).toHaveLength(looked.size);
});
