import { run } from '@fovea/engine';
import type { NetworkNode } from '@fovea/engine/backend';
import { importOnnx, toOnnx } from '@fovea/engine/onnx';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { agrees, agreesAt, conv, densely, floats, model, open } from '../../support/onnx-graphs.js';
import { randomImages, relativeError } from '../../support/small-network.js';

const kinds = ({ nodes }: { nodes: readonly NetworkNode[] }) => nodes.map(({ kind }) => kind);
const epsilon = Float32Array.of(1e-3);

const filled = (g: GraphBuilder, length: number, value: number) =>
  g.floats(g.fresh('filled'), [length], new Float32Array(length).fill(value));

/** As PyTorch writes it, without scale and shift of channels. */
function grouped(g: GraphBuilder, x: string, groups: number, back = g.node('Shape', [x]), scale = 1) {
  const rows = g.node('Reshape', [x, g.integers([0, groups, -1])]);
  const inputs = [rows, filled(g, groups, scale), filled(g, groups, 0)];
  return g.node('Reshape', [g.node('InstanceNormalization', inputs, { epsilon }), back]);
}

/** With scale and shift of channels. */
const affine = (g: GraphBuilder, x: string, channels: number) =>
  g.node('Add', [g.node('Mul', [x, floats(g, channels, 1, 1)]), floats(g, channels, 1, 1)]);

/** ConvNeXt V2's, as timm writes it; `over`: the axes of the norm. */
function response(g: GraphBuilder, x: string, over: readonly number[] = [2, 3], from = x) {
  const norms = g.norm(from, over);
  const mean = g.node('Add', [g.mean(norms, [1]), g.scalar(1e-6)]);
  return g.node('Mul', [x, g.node('Div', [norms, mean])]);
}

/** As larger ConvNeXt V2s have it, between linear layers. */
function lastResponse(g: GraphBuilder, x: string) {
  const last = g.node('Transpose', [x], { perm: [0, 2, 3, 1] });
  const norms = g.norm(last, [1, 2]);
  const mean = g.node('Add', [g.mean(norms, [-1]), g.scalar(1e-6)]);
  const scaled = g.node('Mul', [last, g.node('Div', [norms, mean])]);
  return g.node('Transpose', [scaled], { perm: [0, 3, 1, 2] });
}

const between = (
  build: (g: GraphBuilder, x: string) => string,
  opset = 17,
  sides: Parameters<typeof model>[2] = open,
) =>
  model(
    (g, x) => conv(g, g.activation(affine(g, build(g, conv(g, x, 3, 6)), 6), 'relu'), 6, 2),
    opset,
    sides,
  );

describe('normalisations of whole maps', () => {
  it.each<[string, (g: GraphBuilder, x: string) => string, object]>([
    ['of one group', (g, x) => grouped(g, x, 1), { by: 'moments', groups: 1 }],
    ['of three groups', (g, x) => grouped(g, x, 3), { by: 'moments', groups: 3 }],
    [
      'of channels, by the operator itself',
      (g, x) => g.node('InstanceNormalization', [x, floats(g, 6), floats(g, 6)], { epsilon }),
      { by: 'moments', groups: 6 },
    ],
    ['of responses', (g, x) => response(g, x), { by: 'response', groups: 1 }],
    ['of responses with channels last', (g, x) => lastResponse(g, x), { by: 'response', groups: 1 }],
  ])('%s are nodes, scale, shift and activation a convolution behind them', async (name, build, how) => {
    for (const opset of [13, 18]) {
      const network = await agrees(between(build, opset), `${name} ${opset}`.replaceAll(' ', '-'));
      expect(kinds(network)).toEqual(['convolution', 'normalise-map', 'convolution', 'convolution']);
      expect(network.nodes[1]).toMatchObject(how);
      await agreesAt(network, 5, 11);
      const images = randomImages(network, 2);
      const wanted = (await densely(network, images)).data;
      const again = await importOnnx(toOnnx(network), 'again');
      expect(kinds(again)).toEqual(kinds(network));
      expect(relativeError((await densely(again, images)).data, wanted)).toBeLessThan(1e-6);
      const native = await run(network, images, { strategy: 'dense', threads: 2 });
      expect(relativeError(native.output.data, wanted)).toBeLessThan(1e-5);
    }
  });

  it('of groups go back to constant extents, where these are the map’s', async () => {
    const sides = [8, 8] as const;
    const network = await agrees(
      between((g, x) => grouped(g, x, 2, g.integers([0, 6, 8, 8])), 17, sides),
      'constant',
    );
    expect(kinds(network)).toContain('normalise-map');
    const turned = await agrees(
      between((g, x) => grouped(g, x, 2, g.integers([0, 6, 4, 16])), 17, sides),
      'turned',
    );
    expect(kinds(turned)).toContain('foreign');
  });

  it.each([18, 21])('by GroupNormalization of operator set %i', async (opset) => {
    const length = opset < 21 ? 3 : 6;
    const network = await agrees(
      between(
        (g, x) =>
          g.node('GroupNormalization', [x, floats(g, length), floats(g, length)], { epsilon, num_groups: 3 }),
        opset,
      ),
      `operator-${opset}`,
    );
    expect(kinds(network)).toContain('normalise-map');
    expect(kinds(network)).not.toContain('foreign');
  });

  it.each<[string, (g: GraphBuilder, x: string) => string]>([
    ['whose groups have scales', (g, x) => grouped(g, x, 3, g.node('Shape', [x]), 2)],
    ['of rows', (g, x) => response(g, x, [2])],
    ['by norms of another map', (g, x) => response(g, x, [2, 3], g.node('Sin', [x]))],
    ['whose norms are read elsewhere', (g, x) => readElsewhere(g, x)],
  ])('%s run in onnxruntime', async (name, build) => {
    const network = await agrees(between(build), name.replaceAll(' ', '-'));
    expect(kinds(network)).not.toContain('normalise-map');
    expect(kinds(network)).toContain('foreign');
  });
});

function readElsewhere(g: GraphBuilder, x: string) {
  const norms = g.norm(x, [2, 3]);
  const mean = g.node('Add', [g.mean(norms, [1]), g.scalar(1e-6)]);
  return g.node('Add', [g.node('Mul', [x, g.node('Div', [norms, mean])]), norms]);
}
