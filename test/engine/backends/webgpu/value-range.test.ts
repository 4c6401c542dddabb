import { type Network, Random, run, Tensor } from '@fovea/engine';
import { type Convolution, type NetworkNode, webgpuBackendWith } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { ATTENTION_KINDS } from '../../support/attention.js';
import { normalised } from '../../support/convnext.js';
import { randomConvolution, randomImages, smallNetwork } from '../../support/small-network.js';
import { useSoftwareGpu } from '../../support/software-gpu.js';

useSoftwareGpu();

const channels = 22;

/** What a network of one node does with its input. */
function only(node: NetworkNode, inputs = channels): Network {
  return {
    ...{ name: 'only', format: 'built', input: 'input', output: node.output, notes: [] },
    inputShape: { channels: inputs, height: 19, width: 23 },
    nodes: [node],
  };
}

const named = { name: 'only', inputs: ['input'], output: 'output' } as const;

function overChannels(centred: boolean): Network {
  const random = new Random(3);
  const layer = randomConvolution(random, 'only', channels, 30);
  // The whole range of the input reaches what is normalised, and nothing else does.
  const kept: Convolution = {
    ...layer,
    bias: layer.bias.fill(0),
    weight: layer.weight.map((_, i) => (Math.floor(i / channels) % channels === i % channels ? 1 : 0)),
  };
  return only({ ...named, kind: 'convolution', convolution: normalised(random, kept, centred) });
}

const overMaps = (by: 'moments' | 'response', groups: number, epsilon = 1e-5): Network =>
  only({ ...named, kind: 'normalise-map', by, groups, epsilon });

const normalising: readonly (readonly [string, Network])[] = [
  ['over the channels of a pixel', overChannels(true)],
  ['over the channels of a pixel, not centred', overChannels(false)],
  ['over a map', overMaps('moments', 1)],
  ['over groups of channels', overMaps('moments', 2)],
  ['over each channel', overMaps('moments', channels)],
  ['by their response', overMaps('response', 1)],
  ['by their response, and next to nothing', overMaps('response', 1, 1e-30)],
];

const averaging: readonly (readonly [string, Network])[] = [
  ['everywhere', only({ ...named, kind: 'global-pool' })],
  [
    'in windows',
    only({
      ...{ ...named, kind: 'average-pool', kernel: [7, 7], stride: [3, 3], padding: [3, 3, 3, 3] },
      ...{ ceilMode: false, countIncludePad: false },
    }),
  ],
];

/** Values of at most a size, the largest of them that size. */
function imagesOf(network: Network, size: number): Tensor {
  const images = randomImages(network, 2);
  const most = images.data.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  // Rounded to float32, a factor may be a little larger.
  const factor = (size / most) * (1 - 1e-6);
  for (let i = 0; i < images.data.length; i++) images.data[i]! *= factor;
  return images;
}

/** The largest difference, in parts of the largest value, which may be as small as float32 allows. */
function errorOf(actual: Float32Array, expected: Float32Array): number {
  let [difference, scale] = [0, 0];
  actual.forEach((value, i) => {
    const gap = Math.abs(value - expected[i]!);
    if (!(gap <= difference)) difference = gap;
    scale = Math.max(scale, Math.abs(expected[i]!));
  });
  return scale === 0 ? difference : difference / scale;
}

for (const [precision, most, sizes] of [
  ['f32', 1e-4, [1e-30, 1e-12, 1, 1e12, 1e19, 1e30, 3.4e38]],
  ['f16', 5e-3, [1e-3, 1, 6e4]],
] as const) {
  const backend = webgpuBackendWith({ precision });
  const there = it.skipIf((await backend.check!()) !== undefined);

  async function expectAgreement(network: Network, images: Tensor, rate = 1) {
    const how = { masker: 'random', rate, granularity: 2 } as const;
    const expected = await run(network, images, { ...how, backend: 'reference' });
    const { output } = await run(network, images, { ...how, backend });
    expect(errorOf(output.data, expected.output.data)).toBeLessThan(most);
  }

  describe(`values of every size in ${precision}`, { timeout: 300_000 }, () => {
    describe.each(sizes)('up to %d', (size) => {
      there.each(normalising)('are normalised %s', (_, network) =>
        expectAgreement(network, imagesOf(network, size)),
      );

      there.each(averaging)('are averaged %s', async (_, network) => {
        // All of one sign: nothing cancels in their sum.
        const images = imagesOf(network, size);
        await expectAgreement(
          network,
          new Tensor(
            images.shape,
            images.data.map((value) => size * 0.9 + Math.abs(value) * 0.1),
          ),
        );
      });
    });

    // A network's convolutions make them somewhat larger.
    describe.each(sizes.filter((size) => size < (precision === 'f16' ? 100 : 1e31)))('up to %d', (size) => {
      there.each(ATTENTION_KINDS)('are scaled by attention: %s', async (attention) => {
        const network = smallNetwork({ excite: true, attention });
        for (const rate of [0.5, 1]) await expectAgreement(network, imagesOf(network, size), rate);
      });
    });
  });
}
