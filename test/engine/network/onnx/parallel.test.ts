import { blocksOf, type Network } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { agrees, conv, floats, model, weights } from '../../support/onnx-graphs.js';

const C = 6;
const kinds = (network: Network) => network.nodes.map(({ kind }) => kind);

/** A batch norm that nothing before it takes in. */
function norm(g: GraphBuilder, x: string, seed = 3): string {
  const parameter = (at: number, least = 0) =>
    g.floats(
      g.fresh('n'),
      [C],
      weights(C, seed + at).map((value) => Math.abs(value) + least),
    );
  return g.node('BatchNormalization', [x, parameter(1), parameter(2), parameter(3), parameter(4, 0.5)]);
}

const depthwise = (g: GraphBuilder, x: string, kernel: number, dilation = 1, stride = 1) =>
  g.node('Conv', [x, floats(g, C, 1, kernel, kernel)], {
    group: C,
    kernel_shape: [kernel, kernel],
    dilations: [dilation, dilation],
    strides: [stride, stride],
    pads: new Array(4).fill((kernel >> 1) * dilation),
  });

const sum = (g: GraphBuilder, ...values: string[]) => values.reduce((a, b) => g.node('Add', [a, b]));

describe('convolutions beside each other that are added up', () => {
  it('are one where they have one kernel, whatever is added in between', async () => {
    const network = await agrees(
      model((g, x) => {
        const stem = conv(g, x, 3, C);
        const other = g.activation(stem, 'sigmoid');
        const total = sum(g, conv(g, stem, C, C), other, conv(g, stem, C, C, 3, 'second'));
        return g.activation(total, 'relu');
      }),
      'parallel-same-kernel',
    );
    expect(kinds(network)).toEqual(['convolution', 'activation', 'convolution', 'add']);
  });

  it('are one where they are depthwise, as MobileOne and RepViT are trained', async () => {
    const network = await agrees(
      model((g, x) => {
        const stem = conv(g, x, 3, C);
        const branches = [norm(g, stem), depthwise(g, stem, 1), depthwise(g, stem, 3), depthwise(g, stem, 5)];
        return g.activation(sum(g, ...branches), 'relu');
      }),
      'parallel-depthwise',
    );
    expect(network.nodes).toMatchObject([
      { kind: 'convolution' },
      { kind: 'convolution', convolution: { groups: C, kernel: [5, 5], activation: 'relu' } },
    ]);
  });

  it('stay a residual block beside a cheaper one, as RepVGG is trained', async () => {
    const repvgg = (g: GraphBuilder, x: string) =>
      g.activation(sum(g, norm(g, x), sum(g, conv(g, x, C, C, 1), conv(g, x, C, C))), 'relu');
    const network = await agrees(
      model((g, x) => repvgg(g, repvgg(g, conv(g, x, 3, C)))),
      'parallel-repvgg',
    );
    expect(kinds(network)).toEqual(['convolution', 'block', 'block']);
    for (const { adaptive, branch, projection, activation } of blocksOf(network)) {
      expect({ adaptive, activation }).toEqual({ adaptive: true, activation: 'relu' });
      expect(branch).toMatchObject([{ kernel: [3, 3] }]);
      expect(projection).toMatchObject({ kernel: [1, 1], groups: 1 });
    }
  });

  it('leave a pointwise one beside a scale of its input', async () => {
    const network = await agrees(
      model((g, x) => {
        const stem = conv(g, x, 3, C);
        return sum(g, norm(g, stem), conv(g, stem, C, C, 1), conv(g, stem, C, C, 1, 'again'));
      }),
      'parallel-pointwise',
    );
    expect(kinds(network)).toEqual(['convolution', 'block']);
    expect(blocksOf(network)).toMatchObject([
      { adaptive: true, branch: [{ kernel: [1, 1], groups: 1 }], projection: { groups: C } },
    ]);
  });

  it('are one where all taps of the smaller are among those of the larger', async () => {
    const network = await agrees(
      model((g, x) => {
        const stem = conv(g, x, 3, C);
        return sum(g, depthwise(g, stem, 3, 2, 2), depthwise(g, stem, 1, 1, 2));
      }),
      'parallel-dilated',
    );
    expect(network.nodes).toMatchObject([
      { kind: 'convolution' },
      { kind: 'convolution', convolution: { dilation: [2, 2], stride: [2, 2] } },
    ]);
  });

  it.each<[string, number, (g: GraphBuilder, x: string) => string]>([
    ['other taps', 3, (g, x) => sum(g, depthwise(g, x, 5), depthwise(g, x, 3, 2))],
    // A block, whose branch begins with an activation: that counts as a convolution.
    [
      'another input',
      4,
      (g, x) => sum(g, conv(g, x, C, C), conv(g, g.activation(x, 'relu'), C, C, 3, 'other')),
    ],
    [
      'an activation',
      3,
      (g, x) => sum(g, conv(g, x, C, C), g.activation(conv(g, x, C, C, 3, 'other'), 'relu')),
    ],
    [
      'another reader',
      3,
      (g, x) => {
        const read = conv(g, x, C, C);
        return g.node('Mul', [sum(g, read, conv(g, x, C, C, 3, 'other')), read]);
      },
    ],
  ])('stay apart with %s', async (name, wanted, build) => {
    const network = await agrees(
      model((g, x) => build(g, conv(g, x, 3, C))),
      `parallel-${name.replaceAll(' ', '-')}`,
    );
    const convolutions = network.nodes.flatMap((node) =>
      node.kind === 'convolution'
        ? [1]
        : node.kind === 'block'
          ? [node.block.branch.length + (node.block.projection ? 1 : 0)]
          : [],
    );
    expect(convolutions.reduce((all, count) => all + count, 0)).toBe(wanted);
  });
});
