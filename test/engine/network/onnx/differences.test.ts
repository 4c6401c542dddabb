import { blocksOf, randomMasker, run } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { agrees, agreesAt, conv, model, open } from '../../support/onnx-graphs.js';
import { randomImages, relativeError } from '../../support/small-network.js';

const kinds = ({ nodes }: { nodes: readonly { kind: string }[] }) => nodes.map(({ kind }) => kind);

describe('differences of maps', () => {
  it('are sums with what is negated: a pool without its input, as PoolFormer mixes', async () => {
    const network = await agrees(
      model(
        (g, x) => {
          const map = conv(g, x, 3, 4);
          const mean = g.node('AveragePool', [map], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
          return conv(g, g.node('Sub', [mean, map]), 4, 2);
        },
        17,
        open,
      ),
      'pool-mixer',
    );
    expect(kinds(network)).toEqual(['convolution', 'average-pool', 'convolution', 'add', 'convolution']);
    await agreesAt(network, 5, 11);
  });

  it('leave the sign to the convolution before', async () => {
    const network = await agrees(
      model((g, x) => {
        const [stem, other] = [conv(g, x, 3, 4), conv(g, x, 3, 4, 1)];
        return conv(g, g.node('Sub', [g.activation(stem, 'relu'), other]), 4, 2);
      }),
      'signed',
    );
    // The two are branch and shortcut of a block.
    expect(kinds(network)).toEqual(['block', 'convolution']);
  });

  it('make a residual block of a branch that is taken away', async () => {
    const network = await agrees(
      model((g, x) => {
        const stem = conv(g, x, 3, 4);
        return conv(g, g.node('Sub', [stem, conv(g, g.activation(conv(g, stem, 4, 6), 'relu'), 6, 4)]), 4, 2);
      }),
      'taken-away',
    );
    expect(blocksOf(network).map(({ adaptive, branch }) => [adaptive, branch.length])).toEqual([[true, 2]]);
    const images = randomImages(network, 1);
    const settings = { strategy: 'lasnet', granularity: 2, masker: randomMasker(0.5, 3) } as const;
    const native = await run(network, images, settings);
    const reference = await run(network, images, { ...settings, backend: 'reference' });
    expect(relativeError(native.output.data, reference.output.data)).toBeLessThan(1e-5);
  });

  it('of vectors, of a value and itself, and beside other operators agree, too', async () => {
    await agrees(
      model((g, x) => {
        const flat = (value: string) => g.node('Flatten', [g.node('GlobalAveragePool', [value])]);
        const stem = conv(g, x, 3, 4);
        const odd = g.node('Sub', [stem, g.node('Sin', [stem])]);
        const none = g.node('Sub', [odd, odd]);
        return g.node('Sub', [flat(odd), flat(conv(g, g.node('Add', [none, odd]), 4, 4))]);
      }),
      'vectors',
    );
  });

  it.each([{ dims: [4, 1, 1] }, { dims: [1, 1, 8, 1] }])(
    'with a constant of $dims, on either side, agree',
    async ({ dims }) => {
      const network = await agrees(
        model((g, x) => {
          const stem = g.activation(conv(g, x, 3, 4), 'relu');
          const values = Float32Array.from({ length: Math.max(...dims) }, (_, i) => i - 2);
          const constant = g.floats('constant', dims, values);
          return conv(g, g.node('Sub', [constant, g.node('Sub', [stem, constant])]), 4, 2);
        }),
        `constant-${dims.length}`,
      );
      expect(kinds(network).includes('foreign')).toBe(dims.length === 4);
    },
  );
});

describe('squares and negatives', () => {
  it('are products and convolutions of the engine', async () => {
    const network = await agrees(
      model((g, x) => {
        const map = g.activation(conv(g, x, 3, 4), 'relu');
        return conv(g, g.node('Neg', [g.node('Pow', [map, g.scalar(2)])]), 4, 2);
      }),
      'star-relu',
    );
    // The last convolution takes over the sign.
    expect(kinds(network)).toEqual(['convolution', 'multiply', 'convolution']);
  });

  it('leave other powers to onnxruntime', async () => {
    const network = await agrees(
      model((g, x) => conv(g, g.node('Pow', [g.activation(conv(g, x, 3, 4), 'relu'), g.scalar(3)]), 4, 2)),
      'cube',
    );
    expect(kinds(network)).toContain('foreign');
  });
});
