import { type Block, type Network, run } from '@fovea/engine';
import { nativeBackend } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { Random } from '../../../../engine/src/random.js';
import { randomConvolution, randomImages, relativeError } from '../../support/small-network.js';

type NetworkNode = Network['nodes'][number];

const missing = nativeBackend.unavailable !== undefined;

const channels = 24;

/** A 1x1 convolution, and `node` behind it; without one, the convolution is normalised. */
function networkOf(node?: NetworkNode): Network {
  const random = new Random(3, 0);
  const convolution = randomConvolution(random, 'wider', 3, channels);
  const normalised = {
    ...convolution,
    normalisation: {
      scale: new Float32Array(channels).fill(2),
      shift: new Float32Array(channels).fill(0.5),
      epsilon: 1e-6,
    },
  };
  const first: NetworkNode = {
    kind: 'convolution',
    name: 'wider',
    inputs: ['image'],
    output: 'wide',
    convolution: node ? convolution : normalised,
  };
  return {
    name: 'large',
    format: 'onnx',
    inputShape: { channels: 3, height: 19, width: 23 },
    nodes: node ? [first, node] : [first],
    input: 'image',
    output: node?.output ?? 'wide',
    outputRank: 4,
    notes: [],
  };
}

const normaliseMap = (by: 'moments' | 'response', groups: number): NetworkNode => ({
  ...{ kind: 'normalise-map', name: 'normalised', inputs: ['wide'], output: 'normalised' },
  ...{ by, groups, epsilon: 1e-5 },
});

/** A block whose branch is scaled by the response of its channels, and pools of what it gives. */
function pooled(size: number): Network {
  const random = new Random(5, 0);
  const gate = {
    ...randomConvolution(random, 'gate', channels, channels, { groups: channels }),
    activation: 'none',
  } as const;
  const block = {
    ...{ index: 0, stage: 0, name: 'block', kind: 'residual', activation: 'none', adaptive: true },
    branch: [randomConvolution(random, 'first', channels, channels)],
    attention: { after: 0, pools: ['response'], epsilon: 1e-6 * size, gate },
  } as unknown as Block;
  const windows = { kernel: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1] } as const;
  const wide = networkOf(normaliseMap('moments', 1));
  const nodes: NetworkNode[] = [
    wide.nodes[0]!,
    { kind: 'block', name: 'block', inputs: ['wide'], output: 'block', block },
    {
      ...{ kind: 'average-pool', name: 'windows', inputs: ['block'], output: 'windows', ...windows },
      ...{ ceilMode: false, countIncludePad: false },
    },
    { kind: 'global-pool', name: 'mean', inputs: ['windows'], output: 'mean' },
  ];
  return { ...wide, nodes, output: 'mean' };
}

describe('values whose squares no float holds (skipped where no addon was built)', () => {
  it.skipIf(missing)('are pooled by their norms and means', async () => {
    for (const size of [1, 1e19, 1e35]) {
      const network = pooled(size);
      const images = randomImages(network, 2);
      for (let i = 0; i < images.data.length; i++) images.data[i]! *= size;
      const expected = (await run(network, images, { backend: 'reference', strategy: 'dense' })).output;
      const { output } = await run(network, images, { backend: 'native', strategy: 'dense' });
      expect(output.data.every(Number.isFinite)).toBe(true);
      expect(relativeError(output.data, expected.data)).toBeLessThan(1e-4);
    }
  });

  it.skipIf(missing).each([
    ['over the channels of a pixel', networkOf()],
    ['over a map', networkOf(normaliseMap('moments', 1))],
    ['over groups of channels', networkOf(normaliseMap('moments', 4))],
    ['by their response', networkOf(normaliseMap('response', 1))],
  ])('are normalised %s', async (_, network) => {
    for (const size of [1, 1e19, 1e30]) {
      const images = randomImages(network, 2);
      for (let i = 0; i < images.data.length; i++) images.data[i]! *= size;
      const expected = (await run(network, images, { backend: 'reference' })).output;
      const { output } = await run(network, images, { backend: 'native' });
      expect(relativeError(output.data, expected.data)).toBeLessThan(1e-4);
    }
  });
});
