import { expect, it } from 'vitest';
import type { Case } from './case.js';
import { generate } from './generate.js';
import { shrink } from './shrink.js';

/** Fails where a learned masker looks at what an identity block has made, in bands. */
const fails = async ({ blocks, runs }: Case) => {
  const at = blocks.findIndex(({ masker }, index) => index > 0 && masker === 'learned');
  const run = runs.findIndex(({ bandPixels, backend }) => backend === 'native' && bandPixels > 0);
  return at >= 0 && run >= 0
    ? { failure: { kind: 'masks' as const, run, message: `the mask of block ${at}` } }
    : {};
};

it('makes a failing case as small as the fault allows', async () => {
  let [seed, failing] = [1, undefined as Case | undefined];
  for (; !failing; seed++) {
    const test = generate(seed, { multiplyAdds: 1e8, sides: [40, 90], runs: 8 });
    if (test.blocks.length > 3 && (await fails(test)).failure) failing = test;
  }
  const { failure } = await fails(failing);
  const { test } = await shrink(failing, failure!, 60_000, fails);
  expect(test).toMatchObject({ pictures: 1, height: 1, width: 1, skips: [], stem: { channels: 1 } });
  expect(test.runs).toMatchObject([{ threads: 1, batch: [0] }]);
  expect(test.blocks).toHaveLength(2);
  expect(test.blocks[0]!.masker).not.toBe('saliency');
  expect(test.blocks[1]!.masker).toBe('learned');
  expect((await fails(test)).failure).toBeDefined();
});
