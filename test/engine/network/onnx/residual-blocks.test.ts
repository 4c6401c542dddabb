import { blocksOf, describeNetwork, type Network, run } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { agrees, conv, floats, model, weights } from '../../support/onnx-graphs.js';
import { randomImages, relativeError } from '../../support/small-network.js';

const kinds = (network: Network) => network.nodes.map(({ kind }) => kind);

describe('residual blocks', () => {
  /** Batch norm's arithmetic, a ReLU and a convolution. */
  const preactivated = (g: GraphBuilder, x: string) => {
    const scaled = g.node('Mul', [x, g.floats(g.fresh('s'), [6, 1, 1], weights(6, 5))]);
    const shifted = g.node('Add', [scaled, g.floats(g.fresh('t'), [6, 1, 1], weights(6, 6))]);
    return conv(g, g.activation(shifted, 'relu'), 6, 6);
  };

  it('are found where a network normalises before it convolves', async () => {
    const network = await agrees(
      model((g, x) => {
        const stem = conv(g, x, 3, 6);
        return g.node('Add', [stem, preactivated(g, preactivated(g, stem))]);
      }),
      'preactivation',
    );
    expect(kinds(network)).toEqual(['convolution', 'block']);
    await masksAgree(network);
  });

  it('are found where the shortcut is an average pool and a convolution', async () => {
    const network = await agrees(
      model((g, x) => {
        const stem = conv(g, x, 3, 3);
        const strided = g.node('Conv', [stem, floats(g, 4, 3, 3, 3)], {
          pads: [1, 1, 1, 1],
          strides: [2, 2],
        });
        const branch = conv(g, g.activation(strided, 'relu'), 4, 4);
        const pool = g.node('AveragePool', [stem], { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 });
        return g.activation(g.node('Add', [branch, conv(g, pool, 3, 4, 1)]), 'relu');
      }),
      'resnet-d',
    );
    expect(blocksOf(network)).toMatchObject([
      { adaptive: true, projection: { kernel: [2, 2], stride: [2, 2] } },
    ]);
    await masksAgree(network);
  });

  it.each<[string, (g: GraphBuilder, x: string) => string, string]>([
    [
      'an activation that no convolution takes in',
      (g, x) => conv(g, g.node('Elu', [conv(g, x, 3, 3)]), 3, 3),
      'Elu lies in its branch',
    ],
    [
      'four convolutions',
      (g, x) => [1, 3, 1, 1].reduce((value, kernel) => conv(g, value, 3, 3, kernel), x),
      'its branch is longer than 3 convolutions',
    ],
    [
      'padding that depends on the size',
      (g, x) =>
        conv(
          g,
          g.node('Conv', [x, floats(g, 3, 3, 3, 3)], { auto_pad: 'SAME_UPPER', strides: [2, 2] }),
          3,
          3,
        ),
      'a strided convolution padded by size',
    ],
    [
      'another gate',
      (g, x) => g.node('Mul', [conv(g, x, 3, 3), conv(g, x, 3, 3)]),
      'a product that is no squeeze',
    ],
  ])('are not made of %s, and inspect says so', async (_, build, reason) => {
    const network = await agrees(
      model((g, x) => {
        const branch = build(g, x);
        // A projection where the branch halves the map.
        const halves = reason.startsWith('a strided');
        return g.node('Add', [
          branch,
          halves ? g.node('Conv', [x, floats(g, 3, 3, 1, 1)], { strides: [2, 2] }) : x,
        ]);
      }),
      'dense',
    );
    expect(blocksOf(network)).toEqual([]);
    const addition = describeNetwork(network).nodes.find(({ kind }) => kind === 'add');
    expect(addition?.dense).toMatch(new RegExp(`^${reason}`));
  });

  async function masksAgree(network: Network) {
    const images = randomImages(network, 2);
    const options = { masker: 'random', rate: 0.4, seed: 4, granularity: 2 } as const;
    const plain = await run(network, images, { ...options, backend: 'reference' });
    for (const backend of ['native', 'onnx'] as const) {
      const { output, masks } = await run(network, images, { ...options, backend });
      expect(masks.map(({ cells }) => cells)).toEqual(plain.masks.map(({ cells }) => cells));
      expect(relativeError(output.data, plain.output.data), backend).toBeLessThan(1e-4);
    }
  }
});
