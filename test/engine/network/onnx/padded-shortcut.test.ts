import { blocksOf, type Network, run } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { agrees, agreesAt, conv, floats, model, open } from '../../support/onnx-graphs.js';
import { randomImages, relativeError } from '../../support/small-network.js';

const END = Number.MAX_SAFE_INTEGER;

/** As torch.onnx writes `x[:, :, ::every, ::every]`. */
function everyNth(g: GraphBuilder, x: string, every = 2, start = 0): string {
  return [2, 3].reduce(
    (value, axis) =>
      g.node('Slice', [value, ...[start, END, axis, every].map((number) => g.integers([number]))]),
    x,
  );
}

const padded = (g: GraphBuilder, x: string, before: number, after: number, fill = 0) =>
  g.node('Pad', [x, g.integers([0, before, 0, 0, 0, after, 0, 0]), g.scalar(fill)]);

function branch(g: GraphBuilder, x: string, channels: number, stride: number): string {
  const strided = g.node('Conv', [x, floats(g, channels, 4, 3, 3)], {
    pads: [1, 1, 1, 1],
    strides: [stride, stride],
  });
  return conv(g, g.activation(strided, 'relu'), channels, channels);
}

async function masksAgree(network: Network): Promise<void> {
  const images = randomImages(network, 2);
  const options = { masker: 'random', rate: 0.4, seed: 4, granularity: 2 } as const;
  const plain = await run(network, images, { ...options, backend: 'reference' });
  for (const backend of ['native', 'onnx'] as const) {
    const { output } = await run(network, images, { ...options, backend });
    expect(relativeError(output.data, plain.output.data), backend).toBeLessThan(1e-4);
  }
}

describe('a shortcut with fewer channels than its branch', () => {
  it.each([1, 2])('belongs to a block where channels are padded, at a stride of %i', async (stride) => {
    const network = await agrees(
      model(
        (g, x) => {
          const stem = g.activation(conv(g, x, 3, 4), 'relu');
          const shortcut = padded(g, stride === 1 ? stem : everyNth(g, stem), 1, 3);
          return g.activation(g.node('Add', [branch(g, stem, 8, stride), shortcut]), 'relu');
        },
        17,
        open,
      ),
      `padded-shortcut-${stride}`,
    );
    expect(network.nodes.map(({ kind }) => kind)).toEqual(['convolution', 'block']);
    expect(blocksOf(network)).toMatchObject([
      { adaptive: true, projection: { stride: [stride, stride], outChannels: 8 } },
    ]);
    await agreesAt(network, 9, 7);
    await masksAgree(network);
  });

  it('belongs to a block where the other channels are put side by side with a sum', async () => {
    const network = await agrees(
      model((g, x) => {
        const stem = g.activation(conv(g, x, 3, 4), 'relu');
        const whole = branch(g, stem, 6, 1);
        const sum = g.node('Add', [g.channels(whole, 0, 4), stem]);
        return g.node('Concat', [sum, g.channels(whole, 4, 2)], { axis: 1 });
      }),
      'partial-sum',
    );
    expect(network.nodes.map(({ kind }) => kind)).toEqual(['convolution', 'block']);
    expect(blocksOf(network)).toMatchObject([
      { adaptive: true, projection: { inChannels: 4, outChannels: 6 } },
    ]);
    await masksAgree(network);
  });

  it.each<[string, (g: GraphBuilder, x: string) => string]>([
    ['padded with ones', (g, x) => padded(g, everyNth(g, x), 1, 3, 1)],
    ['sliced from the second row', (g, x) => padded(g, everyNth(g, x, 2, 1), 1, 3)],
  ])('is left to onnxruntime where it is %s', async (name, shortcut) => {
    const network = await agrees(
      model((g, x) => {
        const stem = g.activation(conv(g, x, 3, 4), 'relu');
        return g.node('Add', [branch(g, stem, 8, 2), shortcut(g, stem)]);
      }),
      `shortcut-${name.replaceAll(' ', '-')}`,
    );
    expect(network.nodes.some(({ kind }) => kind === 'foreign')).toBe(true);
  });

  it('is no block where the sum is of other channels than the first', async () => {
    const network = await agrees(
      model((g, x) => {
        const stem = g.activation(conv(g, x, 3, 4), 'relu');
        const whole = branch(g, stem, 6, 1);
        const sum = g.node('Add', [g.channels(whole, 2, 4), stem]);
        return g.node('Concat', [sum, g.channels(whole, 4, 2)], { axis: 1 });
      }),
      'sum-of-others',
    );
    expect(blocksOf(network)).toEqual([]);
  });
});
