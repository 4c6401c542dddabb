import { customMasker, FoveaError, releaseNetwork, run } from '@fovea/engine';
import { afterAll, describe, expect, it } from 'vitest';
import { backends } from '../support/backends.js';
import { randomImages, smallNetwork } from '../support/small-network.js';

const network = smallNetwork({ height: 8, mapWidth: 8, strides: [1] });
afterAll(() => releaseNetwork(network));

describe.each(backends)('what a masker throws on backend $name', ({ name: backend, missing }) => {
  it
    .skipIf(missing)
    .each([
      new FoveaError('bad-argument', 'cells of another size'),
      new FoveaError('diverged', 'no cell'),
      new TypeError('no masker at all'),
    ])('comes as it is: $name $message', async (error) => {
    const masker = customMasker(() => {
      throw error;
    });
    await expect(run(network, randomImages(network), { backend, masker })).rejects.toBe(error);
  });
});
