import { type Block, fixedMasker, type Network, Random, run } from '@fovea/engine';
import type { Convolution, NetworkNode } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { backends } from '../support/backends.js';
import { denseThenMask } from '../support/dense-then-mask.js';
import { randomConvolution, randomImages, relativeError } from '../support/small-network.js';

/** One block: a bottleneck whose second convolution is changed. */
function bottleneck(
  { height, width }: { readonly height: number; readonly width: number },
  middle: Partial<Convolution>,
  projection: Partial<Convolution> | undefined,
): Network {
  const random = new Random(4);
  const relu = { activation: 'relu' } as const;
  const square = randomConvolution(random, 'conv2', 6, 6, { kernel: 1, ...relu });
  const [rows, columns] = middle.kernel ?? [1, 1];
  const weight = Float32Array.from({ length: 36 * rows * columns }, () => random.normal());
  const block: Block = {
    ...{ index: 0, stage: 0, name: 'block', kind: 'bottleneck', activation: 'relu', adaptive: true },
    branch: [
      randomConvolution(random, 'conv1', 5, 6, relu),
      { ...square, ...middle, weight },
      randomConvolution(random, 'conv3', 6, 5),
    ],
    ...(projection
      ? { projection: { ...randomConvolution(random, 'projection', 5, 5), ...projection } }
      : {}),
  };
  const stem = randomConvolution(random, 'stem', 3, 5, { kernel: 3, ...relu });
  const nodes: NetworkNode[] = [
    { kind: 'convolution', name: 'stem', inputs: ['input'], output: 'stem', convolution: stem },
    { kind: 'block', name: 'block', inputs: ['stem'], output: 'block', block },
  ];
  return {
    ...{ name: 'only padding', format: 'built', input: 'input', output: 'block', notes: [], outputRank: 4 },
    inputShape: { channels: 3, height, width },
    nodes,
  };
}

const padded = { padding: [1, 1, 1, 1] } as const;
const cases: [string, Network, Uint8Array][] = [
  [
    'a kernel whose rows all lie above and below a low map',
    bottleneck(
      { height: 1, width: 7 },
      { kernel: [2, 3], dilation: [3, 1], padding: [1, 1, 2, 1] },
      undefined,
    ),
    Uint8Array.of(1, 0, 1, 1, 1, 0, 0),
  ],
  [
    'the same with every cell active',
    bottleneck(
      { height: 1, width: 7 },
      { kernel: [2, 3], dilation: [3, 1], padding: [1, 1, 2, 1] },
      undefined,
    ),
    new Uint8Array(7).fill(1),
  ],
  [
    'the border that a padded pointwise convolution makes',
    bottleneck({ height: 5, width: 6 }, padded, padded),
    Uint8Array.from({ length: 7 * 8 }, (_, cell) => (cell % 8 === 0 ? 1 : 0)),
  ],
];

// What comes before such a convolution has no pixels to compute, but the block still has an output.
describe.each(backends)(
  'active pixels that read nothing but padding, on $name',
  ({ name: backend, missing }) => {
    describe.each(cases)('%s', (_, network, cells) => {
      it.skipIf(missing !== undefined).each(['unfused', 'lasnet', 'streamed'])('%s', async (strategy) => {
        const images = randomImages(network, 2);
        const masker = fixedMasker([cells]);
        const { output } = await run(network, images, {
          backend,
          strategy,
          masker,
          granularity: 1,
          threads: 2,
        });
        const expected = await denseThenMask(network, images, masker, 1);
        const [N, H, W, C] = output.shape;
        const planes = new Float32Array(output.data.length);
        for (let i = 0; i < planes.length; i++) {
          const [n, pixel, c] = [Math.floor(i / (H * W * C)), Math.floor(i / C) % (H * W), i % C];
          planes[(n * C + c) * H * W + pixel] = output.data[i]!;
        }
        expect(N * H * W * C).toBe(expected.logits.length);
        expect(relativeError(planes, expected.logits)).toBeLessThan(1e-4);
      });
    });
  },
);
