import { blocksOf, type Network, run } from '@fovea/engine';
import { nativeBackend } from '@fovea/engine/backend';
import { importOnnx } from '@fovea/engine/onnx';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { agrees, conv, densely, floats, model, open, weights } from '../../support/onnx-graphs.js';
import { randomImages, relativeError } from '../../support/small-network.js';

/** One of the rows, for all images. */
const step = (g: GraphBuilder, rows: string, i: number) =>
  g.node('Gather', [rows, g.integers([i], [])], { axis: 0 });

const kinds = (network: Network) => network.nodes.map(({ kind }) => kind);

describe('foreign pieces', () => {
  it('runs neighbouring unknown operators as one piece', async () => {
    const network = await agrees(
      model((g, x) => {
        const a = conv(g, x, 3, 4);
        const unknown = g.node('Tanh', [g.node('Elu', [g.node('Softplus', [a])])]);
        return conv(g, unknown, 4, 2);
      }),
      'elementwise',
    );
    expect(kinds(network)).toEqual(['convolution', 'foreign', 'convolution']);
    expect(network.notes[0]).toBe('1 piece(s) of the graph run in onnxruntime, in NCHW: Elu, Softplus, Tanh');
  });

  it.skipIf(nativeBackend.unavailable !== undefined).each([
    [1, 5, 7],
    [3, 1, 9],
    [4, 8, 8],
    [37, 6, 11],
    [70, 13, 5],
  ])(
    'natively as by the reference, for maps of %i channels and %i x %i pixels (skipped where no addon was built)',
    async (channels, height, width) => {
      const bytes = model(
        (g, x) => conv(g, g.node('Softplus', [conv(g, x, 3, channels)]), channels, 2),
        17,
        open,
      );
      const network = await importOnnx(bytes, 'piece');
      expect(kinds(network)).toEqual(['convolution', 'foreign', 'convolution']);
      const images = randomImages({ ...network, inputShape: { channels: 3, height, width } }, 2);
      const expected = await densely(network, images);
      for (let time = 0; time < 2; time++) {
        const { output } = await run(network, images, { backend: 'native' });
        expect(relativeError(output.data, expected.data)).toBeLessThan(1e-5);
      }
    },
  );

  it('says of a quantised network that its blocks are found in the network of floats', async () => {
    const network = await agrees(
      model((g, x) => {
        const rounded = (value: string, scale: number) => {
          const bytes = g.node('QuantizeLinear', [value, g.scalar(scale)]);
          return g.node('DequantizeLinear', [bytes, g.scalar(scale)]);
        };
        const stem = g.activation(conv(g, x, 3, 3), 'relu');
        return g.node('Add', [rounded(stem, 0.25), rounded(conv(g, stem, 3, 3), 0.5)]);
      }),
      'quantised',
    );
    expect(network.notes).toContain(
      'the network is quantised (DequantizeLinear, QuantizeLinear): blocks are found in networks of floats, so open the one that it was made of',
    );
  });

  it('finds residual blocks on both sides of a piece', async () => {
    const network = await agrees(
      model((g, x) => {
        const block = (input: string, channels: number) =>
          g.activation(
            g.node('Add', [
              input,
              conv(g, g.activation(conv(g, input, channels, channels), 'relu'), channels, channels),
            ]),
            'relu',
          );
        const first = block(x, 3);
        return block(g.node('Concat', [first, g.node('Tanh', [first])], { axis: 1 }), 6);
      }),
      'around',
    );
    expect(kinds(network)).toEqual(['block', 'foreign', 'concat', 'block']);
  });

  it('leaves the steps of a recurrent network in one piece, and linear layers after it to the engine', async () => {
    const network = await agrees(
      model((g, x) => {
        const rows = g.node('Reshape', [conv(g, x, 3, 4), g.integers([8, -1, 32])]);
        const [inward, onward] = [floats(g, 32, 6), floats(g, 6, 6)];
        let state = g.node('Tanh', [g.node('MatMul', [step(g, rows, 0), inward])]);
        for (const i of [1, 2, 3]) {
          const read = g.node('MatMul', [step(g, rows, i), inward]);
          state = g.node('Tanh', [g.node('Add', [read, g.node('MatMul', [state, onward])])]);
        }
        return g.node('Softmax', [g.node('MatMul', [state, floats(g, 6, 5)])], { axis: 1 });
      }),
      'recurrent',
    );
    expect(kinds(network)).toEqual(['convolution', 'foreign', 'convolution', 'foreign']);
  });

  it('keeps a flattened map, a softmax and a split', async () => {
    const network = await agrees(
      model((g, x) => {
        const map = g.node(
          'Transpose',
          [g.node('Reshape', [conv(g, x, 3, 4), g.integers([0, 2, 2, 8, 8])])],
          { perm: [0, 2, 1, 3, 4] },
        );
        const mixed = conv(g, g.node('Reshape', [map, g.integers([0, 4, 8, 8])]), 4, 4);
        const flat = g.node('Flatten', [mixed], { axis: 1 });
        const logits = g.node('Gemm', [flat, g.floats('fc.weight', [5, 256], weights(1280, 3))], {
          transB: 1,
        });
        return g.node('Softmax', [logits], { axis: 1 });
      }),
      'shuffle',
    );
    expect(
      network.nodes.map((node) => (node.kind === 'foreign' ? node.operators.join() : node.kind)),
    ).toEqual(['convolution', 'Reshape,Transpose', 'convolution', 'Flatten', 'convolution', 'Softmax']);
  });

  it('runs a network without residual blocks, and says so', async () => {
    const network = await agrees(
      model((g, x) => g.activation(conv(g, x, 3, 4), 'relu')),
      'plain',
    );
    expect(blocksOf(network)).toEqual([]);
    expect(network.notes).toEqual([
      'no residual block was found: the network runs densely, masks have nothing to skip',
    ]);
  });

  it('leaves a sum dense whose branch somebody else reads', async () => {
    const network = await agrees(
      model((g, x) => {
        const inner = conv(g, x, 3, 3);
        const sum = g.node('Add', [conv(g, inner, 3, 3), x]);
        return g.node('Concat', [sum, inner], { axis: 1 });
      }),
      'shared',
    );
    expect(blocksOf(network)).toEqual([]);
    expect(network.notes).toContain(
      'additions that are not of a form that masks can skip run densely: a value of its branch is read elsewhere too (1)',
    );
  });

  it('refuses an operator that onnxruntime does not know either, when it is run', async () => {
    const network = await importOnnx(
      model((g, x) => g.node('Frobnicate', [conv(g, x, 3, 4)])),
      'odd',
    );
    expect(network.notes[0]).toContain('Frobnicate');
    await expect(densely(network, randomImages(network))).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('Frobnicate'),
    });
  });
});
