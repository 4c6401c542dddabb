import { type Network, run, Tensor } from '@fovea/engine';
import type { MapStatistics, NetworkNode } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { backends } from '../support/backends.js';
import { randomImages, relativeError } from '../support/small-network.js';

/** A map normalised once in a map of its own, and that once more where it lies. */
function normalising(channels: number, sides: readonly [number, number], by: MapStatistics, groups: number) {
  const node = (name: string, input: string): NetworkNode => ({
    ...{ kind: 'normalise-map', name, inputs: [input], output: name, by, groups, epsilon: 1e-5 },
  });
  const network: Network = {
    ...{ name: 'normalising', format: 'built', input: 'input', output: 'sum', notes: [] },
    inputShape: { channels, height: sides[0], width: sides[1] },
    nodes: [
      node('once', 'input'),
      { kind: 'add', name: 'both', inputs: ['once', 'input'], output: 'both', activation: 'none' },
      node('sum', 'both'),
    ],
  };
  return network;
}

describe.each(backends)('$name normalises whole maps', ({ name: backend, missing }) => {
  it.skipIf(missing !== undefined).each([
    [7, [5, 9], 'moments', 1, 0],
    [6, [16, 21], 'moments', 3, 0.5],
    [10, [70, 33], 'moments', 5, 3],
    [9, [30, 40], 'moments', 9, -2],
    [24, [12, 12], 'moments', 1, 300],
    [1, [1, 2], 'moments', 1, 0],
    [5, [1, 1], 'response', 1, 0],
    [13, [20, 17], 'response', 1, 0.5],
    [40, [90, 60], 'response', 1, -1],
  ] as const)(
    'of %i channels and %j pixels, by %s of %i groups, around %f',
    async (channels, sides, by, groups, mean) => {
      const network = normalising(channels, sides, by, groups);
      const { shape, data } = randomImages(network, 2);
      const images = new Tensor(
        shape,
        data.map((value) => value + mean),
      );
      const wanted = await run(network, images, { backend: 'reference' });
      const { output } = await run(network, images, { backend, threads: 2 });
      expect(relativeError(output.data, wanted.output.data)).toBeLessThan(1e-4);
    },
  );

  it.skipIf(missing !== undefined)('of values that are all alike, or all zero', async () => {
    for (const [by, value] of [
      ['moments', 5],
      ['response', 0],
    ] as const) {
      const network = normalising(6, [4, 4], by, 1);
      const images = new Tensor([1, 4, 4, 6], new Float32Array(96).fill(value));
      const { output } = await run(network, images, { backend });
      expect(output.data.every((each) => Math.abs(each) < 1e-2)).toBe(true);
    }
  });
});
