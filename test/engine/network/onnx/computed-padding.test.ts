import type { Network } from '@fovea/engine';
import { importOnnx } from '@fovea/engine/onnx';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { agrees, agreesAt, conv, floats, model, open } from '../../support/onnx-graphs.js';

const kinds = (network: Network) => network.nodes.map(({ kind }) => kind);

/** `max((⌈h / stride⌉ − 1) · stride + reach − h, 0)` of each side, as timm's `pad_same` computes it; the odd zero before where `lower`. */
function samePads(g: GraphBuilder, map: string, reach: number, stride: number, lower = false): string {
  const side = (axis: number) => {
    const extent = g.node(
      'Cast',
      [g.node('Gather', [g.node('Shape', [map]), g.integers([axis])], { axis: 0 })],
      { to: 1 },
    );
    const windows = g.node('Ceil', [g.node('Div', [extent, g.scalar(stride)])]);
    const covered = g.node('Add', [
      g.node('Mul', [g.node('Sub', [windows, g.scalar(1)]), g.scalar(stride)]),
      g.scalar(reach),
    ]);
    const total = g.node('Relu', [g.node('Sub', [covered, extent])]);
    const less = g.node('Floor', [g.node('Div', [total, g.scalar(2)])]);
    const more = g.node('Sub', [total, less]);
    return lower ? [more, less] : [less, more];
  };
  const [top, bottom] = side(2);
  const [left, right] = side(3);
  const zeros = g.node('Cast', [g.integers([0, 0])], { to: 1 });
  const amounts = g.node('Concat', [zeros, top!, left!, zeros, bottom!, right!], { axis: 0 });
  return g.node('Cast', [amounts], { to: 7 });
}

describe('padding that a graph computes from the size of a map', () => {
  const strided = (g: GraphBuilder, x: string, pads: string, stride = 2, dilation = 1) =>
    g.node('Conv', [g.node('Pad', [x, pads], { mode: 'constant' }), floats(g, 4, 3, 3, 3)], {
      kernel_shape: [3, 3],
      strides: [stride, stride],
      dilations: [dilation, dilation],
    });

  it.each<[string, 'upper' | 'lower', number, number]>([
    ['SAME with the odd zero at the end', 'upper', 2, 1],
    ['SAME with the odd zero at the beginning', 'lower', 2, 1],
    ['SAME by a stride of three', 'upper', 3, 1],
    ['SAME beside a dilation', 'upper', 2, 2],
  ])('%s is the convolution’s rule, at any size', async (_, rule, stride, dilation) => {
    const network = await agrees(
      model(
        (g, x) => {
          const y = conv(g, x, 3, 3);
          return strided(g, y, samePads(g, y, 2 * dilation + 1, stride, rule === 'lower'), stride, dilation);
        },
        17,
        open,
      ),
      `same-${rule}-${stride}-${dilation}`,
    );
    expect(kinds(network)).toEqual(['convolution', 'convolution']);
    expect(network.nodes[1]).toMatchObject({ convolution: { samePadding: rule } });
    for (const [height, width] of [
      [7, 10],
      [13, 9],
      [32, 33],
    ] as const)
      await agreesAt(network, height, width);
  });

  it('SAME is a pool’s rule, with what the pool pads with', async () => {
    const pool = (op: string, filling: number, attributes: Record<string, number>) =>
      model(
        (g, x) => {
          const y = conv(g, x, 3, 3);
          const padded = g.node('Pad', [y, samePads(g, y, 3, 2), g.scalar(filling)], { mode: 'constant' });
          return g.node(op, [padded], { kernel_shape: [3, 3], strides: [2, 2], ...attributes });
        },
        17,
        open,
      );
    const most = await agrees(pool('MaxPool', Number.NEGATIVE_INFINITY, {}), 'same-max');
    expect(most.nodes[1]).toMatchObject({ kind: 'max-pool', samePadding: 'upper' });
    await agreesAt(most, 7, 10);
    const mean = await agrees(pool('AveragePool', 0, { count_include_pad: 1 }), 'same-mean');
    expect(mean.nodes[1]).toMatchObject({
      kind: 'average-pool',
      samePadding: 'upper',
      countIncludePad: true,
    });
    await agreesAt(mean, 7, 10);
    // Zeros are more than what a maximum may leave out, and a mean that does not count them is another one.
    for (const other of [pool('MaxPool', 0, {}), pool('AveragePool', 0, {})]) {
      expect(kinds(await agrees(other, 'other-pool'))).toContain('foreign');
    }
  });

  it('another rule, another map’s size, or what the values decide stays as it is', async () => {
    const built = (pads: (g: GraphBuilder, x: string, y: string) => string) =>
      model(
        (g, x) => {
          const y = conv(g, x, 3, 3);
          return strided(g, y, pads(g, x, y));
        },
        17,
        open,
      );
    const others: [string, Uint8Array][] = [
      ['another-kernel', built((g, _, y) => samePads(g, y, 5, 2))],
      ['another-map', built((g, x) => samePads(g, x, 3, 2))],
    ];
    for (const [name, bytes] of others) {
      const network = await agrees(bytes, name);
      expect(kinds(network)).toContain('foreign');
      await agreesAt(network, 7, 10);
    }
    const valued = built((g, _, y) => {
      const least = g.node('ReduceMin', [g.node('Mul', [y, g.scalar(0)])], { keepdims: 0 });
      return g.node('Add', [samePads(g, y, 3, 2), g.node('Cast', [least], { to: 7 })]);
    });
    expect(kinds(await importOnnx(valued, 'valued'))).toContain('foreign');
  });
});
