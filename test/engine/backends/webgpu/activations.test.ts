import { type Network, run, Tensor } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { type Activation, plainActivations } from '../../../../engine/src/network/activation.js';
import { missingOf } from '../../support/backends.js';
import { relativeError } from '../../support/small-network.js';

const there = it.skipIf((await missingOf('webgpu')) !== undefined);

/** A network that only applies an activation, to three channels: one vector, its last lane a filler. */
function activationAlone(activation: Activation): Network {
  return {
    ...{ name: 'activation', format: 'built', input: 'x', output: 'y', notes: [] },
    inputShape: { channels: 3, height: 1, width: 100 },
    nodes: [{ kind: 'activation', name: 'a', inputs: ['x'], output: 'y', activation }],
  };
}

describe('backend webgpu', () => {
  there.each([...plainActivations, 'leaky-relu 0.1' as Activation])(
    'applies %s as the reference does, from −100 to 100',
    async (activation) => {
      const image = Tensor.zeros([1, 1, 100, 3]);
      for (let i = 0; i < 300; i++) image.data[i] = ((i - 150) / 150) ** 3 * 100;
      const network = activationAlone(activation);
      const expected = await run(network, image, { backend: 'reference' });
      const actual = await run(network, image, { backend: 'webgpu' });
      expect(relativeError(actual.output.data, expected.output.data)).toBeLessThan(1e-5);
      expect([...actual.output.data].every(Number.isFinite)).toBe(true);
    },
  );
});
