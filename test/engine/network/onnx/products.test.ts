import { blocksOf, type Network } from '@fovea/engine';
import { importOnnx, toOnnx } from '@fovea/engine/onnx';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { agrees, agreesAt, conv, densely, model, open } from '../../support/onnx-graphs.js';
import { randomImages, relativeError } from '../../support/small-network.js';

const kinds = ({ nodes }: Network) => nodes.map(({ kind }) => kind);

/** Squeeze-and-excitation of a map that no block holds. */
const excited = (g: GraphBuilder, x: string, channels: number, swapped = false) => {
  const inner = g.activation(conv(g, g.node('GlobalAveragePool', [x]), channels, 2, 1), 'relu');
  const gate = g.node('Sigmoid', [conv(g, inner, 2, channels, 1)]);
  return g.node('Mul', swapped ? [gate, x] : [x, gate]);
};

describe('products outside residual blocks', () => {
  it.each([false, true])('are nodes where a vector scales a map (it comes first: %s)', async (swapped) => {
    const network = await agrees(
      model((g, x) => conv(g, excited(g, conv(g, x, 3, 4), 4, swapped), 4, 2), 17, open),
      `excited-${swapped}`,
    );
    expect(kinds(network)).toEqual([
      ...['convolution', 'global-pool', 'convolution', 'convolution', 'multiply', 'convolution'],
    ]);
    await agreesAt(network, 5, 11);
    const again = await importOnnx(toOnnx(network), 'again');
    expect(kinds(again)).toEqual(kinds(network));
    const images = randomImages(network, 2);
    expect(
      relativeError((await densely(again, images)).data, (await densely(network, images)).data),
    ).toBeLessThan(1e-6);
  });

  it.each([false, true])(
    'are nodes where a map of one channel scales pixels (it comes first: %s)',
    async (swapped) => {
      const network = await agrees(
        model(
          (g, x) => {
            const [map, gate] = [conv(g, x, 3, 4), g.node('Sigmoid', [conv(g, x, 3, 1)])];
            return conv(g, g.node('Mul', swapped ? [gate, map] : [map, gate]), 4, 2);
          },
          17,
          open,
        ),
        `gated-${swapped}`,
      );
      expect(kinds(network)).toEqual(['convolution', 'convolution', 'multiply', 'convolution']);
      await agreesAt(network, 5, 11);
      expect(kinds(await importOnnx(toOnnx(network), 'again'))).toEqual(kinds(network));
    },
  );

  it.each([false, true])('are nodes of channels and pixels (pixels come first: %s)', async (swapped) => {
    const network = await agrees(
      model(
        (g, x) => {
          const means = g.node('GlobalAveragePool', [conv(g, x, 3, 4)]);
          const gate = conv(g, x, 3, 1);
          return conv(g, g.node('Mul', swapped ? [gate, means] : [means, gate]), 4, 2);
        },
        17,
        open,
      ),
      `outer-${swapped}`,
    );
    expect(kinds(network)).not.toContain('foreign');
    await agreesAt(network, 5, 11);
  });

  it('are nodes where two maps have one size, also a map and itself', async () => {
    const network = await agrees(
      model((g, x) => {
        const [a, b] = [conv(g, x, 3, 4), conv(g, x, 3, 4, 1)];
        const product = g.node('Mul', [a, b]);
        return conv(g, g.node('Mul', [product, product]), 4, 2);
      }),
      'squared',
    );
    expect(kinds(network).filter((kind) => kind === 'multiply')).toHaveLength(2);
  });

  it('of vectors are nodes, too', async () => {
    const network = await agrees(
      model((g, x) => {
        const flat = g.node('Flatten', [g.node('GlobalAveragePool', [conv(g, x, 3, 4)])]);
        const gate = g.node('Gemm', [
          flat,
          g.floats(
            'gate.weight',
            [4, 4],
            Float32Array.from({ length: 16 }, (_, i) => i / 16),
          ),
        ]);
        return g.node('Mul', [flat, gate]);
      }),
      'vectors',
    );
    expect(kinds(network).at(-1)).toBe('multiply');
  });

  it('of rows and columns stay with onnxruntime', async () => {
    const network = await agrees(
      model((g, x) => {
        const map = conv(g, x, 3, 4);
        const [rows, columns] = [[3], [2]].map((axes) => g.mean(map, axes, { keepdims: 1 }));
        const outer = g.node('Mul', [rows!, columns!]);
        const pixels = g.node('Mul', [map, g.mean(map, [1], { keepdims: 1 })]);
        return conv(g, g.node('Add', [outer, pixels]), 4, 2);
      }),
      'outer',
    );
    // The other product is of a map and a value for each pixel.
    expect(kinds(network).filter((kind) => kind === 'multiply')).toHaveLength(1);
    expect(kinds(network)).toContain('foreign');
  });

  it('leave what attention blocks have of them to the blocks', async () => {
    const network = await agrees(
      model((g, x) => {
        const stem = conv(g, x, 3, 4);
        return g.activation(g.node('Add', [excited(g, conv(g, stem, 4, 4), 4), stem]), 'relu');
      }),
      'block',
    );
    expect(blocksOf(network)[0]?.attention).toBeDefined();
    expect(kinds(network)).not.toContain('multiply');
  });
});
