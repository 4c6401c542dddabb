import { type Network, run, Tensor } from '@fovea/engine';
import { webgpuBackendWith } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { LARGEST_HALF } from '../../../../engine/src/backends/webgpu/kernel.js';
import { checkStored, packWeights } from '../../../../engine/src/backends/webgpu/weights.js';
import { Random } from '../../../../engine/src/random.js';
import { randomConvolution } from '../../support/small-network.js';

const half = webgpuBackendWith({ precision: 'f16' });
const f16 = it.skipIf((await half.check!()) !== undefined);

const one = (gain: number) => randomConvolution(new Random(3), 'one', 3, 5, { kernel: 3, gain });

/** Two convolutions, whose values lie between as large as the gain says. */
function network(gain: number): Network {
  const [first, second] = [one(gain), randomConvolution(new Random(4), 'two', 5, 4, { gain: 1 / gain })];
  return {
    ...{ name: 'half', format: 'built', input: 'x', output: 'z', notes: [] },
    inputShape: { channels: 3, height: 9, width: 11 },
    nodes: [
      { kind: 'convolution', name: 'a', inputs: ['x'], output: 'y', convolution: first },
      { kind: 'convolution', name: 'b', inputs: ['y'], output: 'z', convolution: second },
    ],
  };
}

describe('what half precision does not hold', { timeout: 300_000 }, () => {
  it('is refused among weights, with the layer', () => {
    const packed = packWeights(one(1));
    expect(() => checkStored(one(1), packed, 'f16')).not.toThrow();
    packed[7] = -7e4;
    expect(() => checkStored(one(1), packed, 'f32')).not.toThrow();
    expect(() => checkStored(one(1), packed, 'f16')).toThrow(
      /precision f16: one has a weight of -70000, and half precision ends at 65504; f32 is accepted/,
    );
  });

  f16('is the largest number between f16 layers, and no infinity that turns into none', async () => {
    const image = Tensor.zeros([1, 9, 11, 3]);
    const random = new Random(5);
    for (let i = 0; i < image.data.length; i++) image.data[i] = 300 * random.normal();
    const { output } = await run(network(2000), image, { backend: half });
    expect([...output.data].every(Number.isFinite)).toBe(true);
    const bound = await run(network(2000), image, { backend: 'reference' });
    const largest = Math.max(...bound.output.data.map(Math.abs));
    expect(Math.max(...output.data.map(Math.abs))).toBeLessThan(largest);
    expect(largest).toBeGreaterThan(LARGEST_HALF / 2000);
  });
});
