import type { Network } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { agrees, conv, floats, model, weights } from '../../support/onnx-graphs.js';

const C = 6;
const kinds = (network: Network) => network.nodes.map(({ kind }) => kind);

const scaled = (g: GraphBuilder, x: string) =>
  g.node('Mul', [x, g.floats(g.fresh('s'), [C, 1, 1], weights(C, 5))]);
const shifted = (g: GraphBuilder, x: string) =>
  g.node('Add', [x, g.floats(g.fresh('t'), [C, 1, 1], weights(C, 6))]);
const activated = (g: GraphBuilder, x: string) => g.activation(conv(g, x, 3, C), 'silu');

/** Squeeze-and-excitation; without one, the pool of a map's channels alone. */
function excited(g: GraphBuilder, x: string): string {
  const reduce = g.activation(conv(g, g.node('GlobalAveragePool', [x]), C, 3, 1), 'relu');
  return g.node('Mul', [x, g.node('Sigmoid', [conv(g, reduce, 3, C, 1)])]);
}

describe('scales of channels behind an activation', () => {
  it('join every convolution behind, grouped ones too', async () => {
    const network = await agrees(
      model((g, x) => {
        const map = scaled(g, activated(g, x));
        const grouped = g.node('Conv', [map, floats(g, 4, 3, 3, 3)], { group: 2, pads: [1, 1, 1, 1] });
        return g.node('Concat', [conv(g, map, C, 4), grouped], { axis: 1 });
      }),
      'scale-forward',
    );
    expect(kinds(network)).toEqual(['convolution', 'convolution', 'convolution', 'concat']);
  });

  it('join with their shift where no zeros are around the map', async () => {
    const network = await agrees(
      model((g, x) => {
        const map = shifted(g, scaled(g, activated(g, x)));
        return g.node('Conv', [map, floats(g, 4, C, 3, 3)]);
      }),
      'shift-forward',
    );
    expect(kinds(network)).toEqual(['convolution', 'convolution']);
  });

  it('stay with a shift where zeros are around the map, which are not shifted', async () => {
    const network = await agrees(
      model((g, x) => conv(g, shifted(g, scaled(g, activated(g, x))), C, 4)),
      'shift-padded',
    );
    expect(kinds(network)).toEqual(['convolution', 'convolution', 'convolution']);
  });

  it('stay where a sum reads them too', async () => {
    const network = await agrees(
      model((g, x) => {
        const map = scaled(g, activated(g, x));
        return g.node('Mul', [map, g.activation(conv(g, map, C, C), 'relu')]);
      }),
      'scale-read-twice',
    );
    expect(network.nodes).toHaveLength(4);
  });
});

describe('a scale behind squeeze-and-excitation', () => {
  it('joins the convolution before it, and leaves the gate as it was', async () => {
    const network = await agrees(
      model((g, x) => {
        const stem = activated(g, x);
        const branch = scaled(g, excited(g, conv(g, stem, C, C)));
        return g.node('Add', [branch, stem]);
      }),
      'scale-before-attention',
    );
    expect(network.nodes).toMatchObject([
      { kind: 'convolution' },
      { kind: 'block', block: { adaptive: true, branch: [{ kernel: [3, 3] }], attention: { after: 0 } } },
    ]);
  });

  it('stays where it has a zero, whose inverse nothing could be divided by', async () => {
    const network = await agrees(
      model((g, x) => {
        const stem = activated(g, x);
        const scale = weights(C, 5).fill(0, 0, 1);
        const branch = g.node('Mul', [
          excited(g, conv(g, stem, C, C)),
          g.floats(g.fresh('s'), [C, 1, 1], scale),
        ]);
        return g.node('Add', [branch, stem]);
      }),
      'scale-of-zero',
    );
    const block = network.nodes.find((node) => node.kind === 'block')!;
    expect(block.block.branch).toHaveLength(2);
  });

  it('stays where an activation follows it', async () => {
    const network = await agrees(
      model((g, x) => g.activation(scaled(g, excited(g, conv(g, x, 3, C))), 'relu')),
      'scale-then-activation',
    );
    expect(network.nodes.at(-1)).toMatchObject({
      kind: 'convolution',
      convolution: { groups: C, activation: 'relu' },
    });
  });
});
