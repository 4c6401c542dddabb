import { blocksOf } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { agrees, conv, floats, model } from '../../support/onnx-graphs.js';

const last = (g: GraphBuilder, x: string) => g.node('Transpose', [x], { perm: [0, 2, 3, 1] });
const first = (g: GraphBuilder, x: string) => g.node('Transpose', [x], { perm: [0, 3, 1, 2] });

const kinds = async (build: (g: GraphBuilder, x: string) => string, opset?: number) => {
  const network = await agrees(model(build, opset), 'channels-last');
  return network.nodes.map(({ kind }) => kind);
};

describe('operators between transposes to channels last and back', () => {
  it.each<[string, (g: GraphBuilder, x: string) => string]>([
    ['a linear layer', (g, x) => g.node('Add', [g.node('MatMul', [x, floats(g, 4, 5)]), floats(g, 5)])],
    [
      'a normalisation in parts',
      (g, x) => g.node('Mul', [g.node('Sub', [x, floats(g, 4)]), floats(g, 1, 4)]),
    ],
    ['a shift of the same amount', (g, x) => g.node('Add', [g.scalar(0.5), x])],
    ['an activation', (g, x) => g.node('Relu', [x])],
    ['a cast', (g, x) => g.node('Cast', [x], { to: 1 })],
    ['slopes of channels', (g, x) => g.node('PRelu', [x, floats(g, 4)])],
  ])('%s is computed by the convolution before', async (_, build) => {
    const found = await kinds((g, x) => first(g, build(g, last(g, conv(g, x, 3, 4)))));
    expect(found.every((kind) => kind === 'convolution')).toBe(true);
  });

  it('are residual blocks, as in graphs from TensorFlow', async () => {
    const network = await agrees(
      model((g, x) => {
        const stem = last(g, conv(g, x, 3, 4));
        const inner = g.node('Relu', [g.node('Add', [last(g, conv(g, first(g, stem), 4, 4)), floats(g, 4)])]);
        const branch = g.node('Mul', [last(g, conv(g, first(g, inner), 4, 4)), floats(g, 4)]);
        const sum = g.node('Relu', [g.node('Add', [branch, stem])]);
        return g.mean(sum, [1, 2], { keepdims: 0 });
      }),
      'tensorflow',
    );
    expect(network.nodes.map(({ kind }) => kind)).toEqual(['convolution', 'block', 'global-pool']);
    expect(blocksOf(network)[0]).toMatchObject({ adaptive: true, kind: 'basic' });
  });

  it('are blocks of ConvNeXt with the normalisation over channels', async () => {
    const found = await kinds((g, x) => {
      const map = conv(g, x, 3, 4);
      const parameters = [floats(g, 4), floats(g, 4)];
      const normal = g.node('LayerNormalization', [last(g, conv(g, map, 4, 4)), ...parameters], { axis: -1 });
      const wide = g.node('Add', [g.node('MatMul', [normal, floats(g, 4, 16)]), floats(g, 16)]);
      const narrow = g.node('MatMul', [g.activation(wide, 'gelu'), floats(g, 16, 4)]);
      const branch = g.node('Mul', [floats(g, 4, 1, 1), first(g, narrow)]);
      return g.node('Add', [map, branch]);
    });
    expect(found).toEqual(['convolution', 'block']);
  });

  it('pad and join maps along the axes that they mean', async () => {
    const found = await kinds((g, x) => {
      const map = last(g, conv(g, x, 3, 4));
      const padded = g.node('Pad', [map, g.integers([0, 1, 0, 0, 0, 2, 1, 0])]);
      const joined = g.node('Concat', [padded, g.node('Relu', [padded])], { axis: -1 });
      return conv(g, first(g, joined), 8, 2);
    });
    expect(found.at(-1)).toBe('convolution');
  });

  it('take means over rows, columns or channels', async () => {
    for (const axes of [[1], [-2], [-1], [1, 2]])
      await kinds((g, x) => first(g, g.mean(last(g, conv(g, x, 3, 4)), axes, { keepdims: 1 })), 17);
    await kinds((g, x) => first(g, g.mean(last(g, conv(g, x, 3, 4)), [-1], { keepdims: 1 })), 18);
  });

  it.each<[string, (g: GraphBuilder, x: string) => string]>([
    ['a softmax over channels', (g, x) => g.node('Softmax', [x], { axis: -1 })],
    ['values of each column and channel', (g, x) => g.node('Add', [x, floats(g, 8, 4)])],
    ['a map that stays as it is', (g, x) => g.node('Add', [x, g.node('Softmax', [x], { axis: -1 })])],
    [
      'a value that is read with channels last too',
      (g, x) => g.node('Sub', [g.node('Relu', [x]), g.node('Softmax', [g.node('Relu', [x])])]),
    ],
    ['an output with channels last', (g, x) => last(g, first(g, g.node('Relu', [x])))],
  ])('leave %s to onnxruntime', async (_, build) => {
    const found = await kinds((g, x) => build(g, last(g, conv(g, x, 3, 4))));
    expect(found[0]).toBe('convolution');
  });
});
