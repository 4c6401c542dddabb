import { blocksOf, type Network, run, Tensor } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { backends } from '../support/backends.js';
import { randomImages, smallNetwork } from '../support/small-network.js';

const network = smallNetwork();

function scaled(factor: number): Tensor {
  const images = randomImages(network);
  return new Tensor(
    images.shape,
    images.data.map((value) => value * factor),
  );
}

/** The network with one masker whose products with ordinary values overflow, in both directions. */
function steep(): Network {
  const changed = structuredClone(network);
  const { weight } = blocksOf(changed).find(({ masker }) => masker)!.masker!;
  weight.forEach((_, i) => {
    weight[i] = i % 2 === 0 ? 3e38 : -3e38;
  });
  return changed;
}

/** What a run ends with, as far as backends have to agree about it. */
async function outcome(what: Network, input: Tensor, options: Parameters<typeof run>[2]): Promise<unknown> {
  try {
    const { output, masks } = await run(what, input, options);
    return { finite: output.data.every(Number.isFinite), cells: masks.map(({ cells }) => [...cells]) };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return { code, message };
  }
}

const noNumber = (masker: string) => ({
  code: 'bad-argument',
  message: expect.stringMatching(
    new RegExp(
      `^masker "${masker}" answered NaN for the margin of cell \\d+ of block 0; a number is accepted$`,
    ),
  ),
});

describe.each(backends)('backend $name, where values overflow single precision', ({ name, missing }) => {
  const there = it.skipIf(missing !== undefined);
  // A GPU has no threads, and the oracle uses one.
  const threads = name === 'native' || name === 'onnx' ? [1, 2, 3] : [1];

  there.each(threads)('refuses masks that nothing decided, on %d threads', async (count) => {
    const options = { backend: name, threads: count, granularity: 2 };
    for (const rate of [0.25, 0.5, 1]) {
      const found = await outcome(network, scaled(1e30), { ...options, masker: 'saliency', rate });
      expect(found).toEqual(noNumber(`saliency at ${rate}`));
    }
    expect(await outcome(steep(), scaled(10), { ...options, masker: 'learned' })).toEqual(
      noNumber('learned'),
    );
  });

  there.each(threads)('answers as the oracle does where they are decided, on %d threads', async (count) => {
    for (const [factor, masker] of [
      [1e18, 'saliency'],
      [1e25, 'random'],
      [1e10, 'learned'],
    ] as const) {
      const options = { threads: count, granularity: 2, masker };
      const expected = await outcome(network, scaled(factor), {
        ...options,
        backend: 'reference',
        threads: 1,
      });
      expect(await outcome(network, scaled(factor), { ...options, backend: name })).toEqual(expected);
    }
  });

  there.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'refuses an input of %f',
    async (value) => {
      const input = scaled(1);
      input.data[7] = value;
      expect(await outcome(network, input, { backend: name })).toEqual({
        code: 'bad-argument',
        message: `input value 7 is ${value}; finite numbers are accepted`,
      });
    },
  );
});
