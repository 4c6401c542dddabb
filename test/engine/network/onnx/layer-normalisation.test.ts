import { blocksOf, describeNetwork, type Network, Random, run } from '@fovea/engine';
import type { Convolution } from '@fovea/engine/backend';
import { importOnnx, toOnnx } from '@fovea/engine/onnx';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { asLine } from '../../../../engine/src/network/onnx/sliding-layer.js';
import { readNetwork } from '../../../../engine/src/network/read.js';
import { storeNetwork } from '../../../../engine/src/network/stored/write.js';
import { convNext, normalised } from '../../support/convnext.js';
import { agrees, conv, floats, model, weights } from '../../support/onnx-graphs.js';
import { randomConvolution, randomImages, relativeError } from '../../support/small-network.js';

const last = (g: GraphBuilder, x: string) => g.node('Transpose', [x], { perm: [0, 2, 3, 1] });
const first = (g: GraphBuilder, x: string) => g.node('Transpose', [x], { perm: [0, 3, 1, 2] });
const kinds = ({ nodes }: Network) => nodes.map(({ kind }) => kind);

/** A normalisation of the last axis, as the operator has it. */
function normal(g: GraphBuilder, x: string, channels: number, attributes = {}) {
  const parameters = [floats(g, channels), floats(g, channels)];
  return g.node('LayerNormalization', [x, ...parameters], { epsilon: Float32Array.of(1e-6), ...attributes });
}

/** The same in parts, as exporters write it before operator set 17. */
function inParts(g: GraphBuilder, x: string, axis: number, dims: readonly number[], square: 'Pow' | 'Mul') {
  const centred = g.node('Sub', [x, g.mean(x, [axis])]);
  const squared =
    square === 'Pow' ? g.node('Pow', [centred, g.scalar(2)]) : g.node('Mul', [centred, centred]);
  const variance = g.node('Add', [g.mean(squared, [axis]), g.scalar(1e-6)]);
  const divided = g.node('Div', [centred, g.node('Sqrt', [variance])]);
  return g.node('Add', [g.node('Mul', [divided, floats(g, ...dims)]), floats(g, ...dims)]);
}

/** With two differences, as the channels-first layer of ConvNeXt's authors computes it. */
function twice(g: GraphBuilder, x: string, channels: number) {
  const mean = g.mean(x, [1]);
  const variance = g.mean(g.node('Pow', [g.node('Sub', [x, mean]), g.scalar(2)]), [1]);
  const deviation = g.node('Sqrt', [g.node('Add', [g.scalar(1e-6), variance])]);
  const divided = g.node('Div', [g.node('Sub', [x, mean]), deviation]);
  const scaled = g.node('Mul', [floats(g, channels, 1, 1), divided]);
  return g.node('Add', [scaled, floats(g, channels, 1, 1)]);
}

const forms: readonly [
  string,
  number,
  (g: GraphBuilder, x: string, channels: number, keepsLast?: boolean) => string,
][] = [
  ['an operator between transposes', 17, (g, x, C) => first(g, normal(g, last(g, x), C))],
  ['an operator without shift', 17, (g, x, C) => first(g, plain(g, last(g, x), C))],
  ['parts between transposes', 16, (g, x, C) => first(g, inParts(g, last(g, x), -1, [C], 'Pow'))],
  ['parts of operator set 18', 18, (g, x, C) => first(g, inParts(g, last(g, x), 3, [C], 'Mul'))],
  ['parts with channels first', 13, (g, x, C) => inParts(g, x, 1, [C, 1, 1], 'Mul')],
  ['parts with two differences', 13, (g, x, C) => twice(g, x, C)],
  ['an operator for mean squares', 23, (g, x, C) => first(g, meanSquares(g, last(g, x), C))],
  ['mean squares in parts', 17, (g, x, C) => rms(g, x, 1, [C, 1, 1], 'Div')],
  ['mean squares times a reciprocal', 13, (g, x, C) => rms(g, x, 1, [C, 1, 1], 'Reciprocal')],
  ['mean squares times one over a root', 18, (g, x, C) => first(g, rms(g, last(g, x), -1, [C], 'one'))],
  [
    'mean squares as Fovea writes them',
    17,
    (g, x, C) => g.layerNormalisation(x, { ...written(C), centred: false }, 4),
  ],
  ['what Fovea writes', 17, (g, x, C) => g.layerNormalisation(x, written(C), 4)],
  ['the parts that Fovea writes', 16, (g, x, C) => g.layerNormalisation(x, written(C), 4)],
];

const written = (channels: number) => ({
  scale: weights(channels, 2),
  shift: weights(channels, 3),
  epsilon: 1e-6,
});

function plain(g: GraphBuilder, x: string, channels: number) {
  return g.node('LayerNormalization', [x, floats(g, channels)], { axis: 3 });
}

/** RMS normalisation, as the operator of set 23 has it. */
function meanSquares(g: GraphBuilder, x: string, channels: number) {
  return g.node('RMSNormalization', [x, floats(g, channels)], { epsilon: Float32Array.of(1e-6) });
}

/** The same in parts. */
function rms(
  g: GraphBuilder,
  x: string,
  axis: number,
  dims: readonly number[],
  how: 'Div' | 'Reciprocal' | 'one',
) {
  const variance = g.mean(g.node('Pow', [x, g.scalar(2)]), [axis]);
  const root = g.node('Sqrt', [g.node('Add', [variance, g.scalar(1e-6)])]);
  const normed =
    how === 'Div'
      ? g.node('Div', [x, root])
      : g.node('Mul', [x, how === 'one' ? g.node('Div', [g.scalar(1), root]) : g.node('Reciprocal', [root])]);
  return g.node('Mul', [normed, floats(g, ...dims)]);
}

/** A depthwise 7x7 convolution, a normalisation, two linear layers with channels last, and a layer scale. */
function block(g: GraphBuilder, x: string, C: number, normalise: (g: GraphBuilder, x: string) => string) {
  const spatial = g.node('Conv', [x, floats(g, C, 1, 7, 7)], { group: C, pads: [3, 3, 3, 3] });
  const wide = g.node('Add', [
    g.node('MatMul', [last(g, normalise(g, spatial)), floats(g, C, 4 * C)]),
    floats(g, 4 * C),
  ]);
  const narrow = g.node('MatMul', [g.activation(wide, 'gelu'), floats(g, 4 * C, C)]);
  const scaled = g.node('Mul', [first(g, g.node('Add', [narrow, floats(g, C)])), floats(g, C, 1, 1)]);
  return g.node('Add', [scaled, x]);
}

describe('a normalisation over the channels of each pixel', () => {
  it.each(forms)('as %s is part of a block', async (_, opset, normalise) => {
    const network = await agrees(
      model((g, x) => block(g, conv(g, x, 3, 6), 6, (h, y) => normalise(h, y, 6)), opset),
      'convnext',
    );
    expect(kinds(network)).toEqual(['convolution', 'block']);
    const [found] = blocksOf(network);
    expect(found).toMatchObject({ kind: 'inverted', adaptive: true });
    expect(found!.branch.map(({ normalisation }) => normalisation !== undefined)).toEqual([
      true,
      false,
      false,
    ]);
    expect(network.notes).toEqual([]);
    expect(describeNetwork(network).nodes[1]!.block!.structure).toContain('depthwise normalised · 1x1 6→24');
  });

  it.each(forms)('as %s stands behind an addition and a pool', async (_, opset, normalise) => {
    const network = await agrees(
      model((g, x) => {
        const stem = normalise(g, conv(g, x, 3, 4), 4);
        const map = normalise(
          g,
          block(g, stem, 4, (h, y) => normalise(h, y, 4)),
          4,
        );
        const head = normalise(g, g.node('GlobalAveragePool', [conv(g, map, 4, 5)]), 5);
        return g.node('Gemm', [g.node('Flatten', [head]), floats(g, 5, 7)]);
      }, opset),
      'convnext-head',
    );
    expect(kinds(network)).not.toContain('foreign');
    expect(blocksOf(network)).toHaveLength(1);
  });

  it('of vectors is a layer of its own, with the activation behind it', async () => {
    for (const opset of [16, 17]) {
      const network = await agrees(
        model((g, x) => {
          const pooled = g.node('Flatten', [g.node('GlobalAveragePool', [conv(g, x, 3, 6)])]);
          const normed = opset < 17 ? inParts(g, pooled, -1, [6], 'Pow') : normal(g, pooled, 6);
          const wide = g.node('Gemm', [g.node('Relu', [normed]), floats(g, 6, 4)]);
          return g.node('Gemm', [g.activation(wide, 'gelu'), floats(g, 4, 3)]);
        }, opset),
        'vectors',
      );
      expect(kinds(network)).toEqual(['convolution', 'global-pool', ...new Array(3).fill('convolution')]);
    }
  });

  it('takes over arithmetic behind it, and leaves what is before it', async () => {
    const network = await agrees(
      model((g, x) => {
        const scaled = g.node('Mul', [conv(g, x, 3, 4), floats(g, 4, 1, 1)]);
        const normed = first(g, normal(g, last(g, scaled), 4));
        const shifted = g.node('Add', [g.node('Mul', [normed, floats(g, 4, 1, 1)]), g.scalar(3)]);
        return g.node('Div', [g.node('Clip', [shifted, g.scalar(0), g.scalar(6)]), g.scalar(6)]);
      }),
      'arithmetic',
    );
    expect(kinds(network)).toEqual(['convolution']);
    expect(network.nodes[0]).toMatchObject({ convolution: { activation: 'hardsigmoid' } });
  });

  it('is written in parts where a file’s operators are of an earlier set', () => {
    expect(() => model((g, x) => g.layerNormalisation(x, written(3), 4), 7)).not.toThrow();
    expect(() => model((g, x) => g.layerNormalisation(x, written(3), 4), 6)).toThrow(/operator set 7/);
  });

  it.each<[string, (g: GraphBuilder, x: string) => string]>([
    ['over rows and channels', (g, x) => first(g, wide(g, last(g, x)))],
    ['whose scale is computed', (g, x) => first(g, computed(g, last(g, x)))],
    ['over the columns', (g, x) => inParts(g, x, 3, [1], 'Pow')],
    ['of squares of another value', (g, x) => otherSquares(g, x)],
    ['of another mean', (g, x) => otherMean(g, x)],
    ['whose deviation is read elsewhere', (g, x) => readDeviation(g, x)],
    [
      'with an epsilon of zero',
      (g, x) => first(g, normal(g, last(g, x), 4, { epsilon: new Float32Array(1) })),
    ],
  ])('%s is left to onnxruntime', async (_, build) => {
    const network = await agrees(
      model((g, x) => build(g, conv(g, x, 3, 4))),
      'others',
    );
    expect(kinds(network)).toContain('foreign');
    expect(network.nodes.some((node) => node.kind === 'convolution' && node.convolution.normalisation)).toBe(
      false,
    );
  });

  it('makes no gate of an attention', () => {
    const random = new Random(1);
    const layer = randomConvolution(random, 'gate', 1, 1, { kernel: 3 });
    const along = { ...layer, kernel: [1, 3] as const, padding: [0, 1, 0, 1] as const };
    const draft = { kind: 'convolution', inputs: ['x'], outputs: ['y'], origins: [], label: 'gate' } as const;
    const asGate = (convolution: Convolution) => asLine({ ...draft, inputs: [], convolution }, 3);
    expect(asGate(along)).toBeDefined();
    expect(asGate(normalised(random, along))).toBeUndefined();
  });

  it.each([true, false])('comes back of a file and of a stored network (centred: %s)', async (centred) => {
    const network = convNext({ centred });
    const images = randomImages(network, 2);
    const wanted = await run(network, images, { backend: 'reference' });
    const files = [await importOnnx(toOnnx(network, { maskers: true }), 'again')];
    files.push(await readNetwork(storeNetwork(network)));
    for (const again of files) {
      expect(kinds(again)).toEqual(kinds(network));
      const layers = (of: Network) =>
        blocksOf(of).map(({ branch }) =>
          branch.map((layer) => [layer.normalisation?.scale, layer.normalisation?.centred]),
        );
      expect(layers(again)).toEqual(layers(network));
      const { output, masks } = await run(again, images, { backend: 'reference' });
      expect(masks.map(({ cells }) => cells)).toEqual(wanted.masks.map(({ cells }) => cells));
      expect(relativeError(output.data, wanted.output.data)).toBeLessThan(1e-5);
    }
  });

  it('is refused in a stored network that does not fit', async () => {
    const file = new TextDecoder('latin1').decode(storeNetwork(convNext({ centred: false })));
    const changed = (from: string, to: string) =>
      readNetwork(Uint8Array.from(file.replace(from, to), (letter) => letter.charCodeAt(0)));
    await expect(changed('epsilon\\":0.000001', 'epsilon\\":-0.00001')).rejects.toThrow(
      /normalisation.epsilon -0.00001/,
    );
    await expect(changed('centred\\":false', 'centred\\":12345')).rejects.toThrow(
      /normalisation.centred 12345/,
    );
    await expect(changed('shift\\":{', 'shoft\\":{')).rejects.toThrow(/normalisation.shift undefined/);
  });
});

const wide = (g: GraphBuilder, x: string) =>
  g.node('LayerNormalization', [x, floats(g, 8, 4), floats(g, 8, 4)], { axis: 2 });

function computed(g: GraphBuilder, x: string) {
  const scale = g.node('ReduceMax', [x], { axes: [0, 1, 2], keepdims: 0 });
  return g.node('LayerNormalization', [x, scale]);
}

function otherMean(g: GraphBuilder, x: string) {
  const centred = g.node('Sub', [x, g.mean(x, [1])]);
  const again = g.node('Sub', [x, g.mean(x, [2])]);
  const variance = g.node('Add', [g.mean(g.node('Mul', [again, again]), [1]), g.scalar(1e-6)]);
  return g.node('Div', [centred, g.node('Sqrt', [variance])]);
}

function otherSquares(g: GraphBuilder, x: string) {
  const other = g.node('Sin', [x]);
  const variance = g.mean(g.node('Mul', [other, other]), [1]);
  return g.node('Div', [x, g.node('Sqrt', [g.node('Add', [variance, g.scalar(1e-6)])])]);
}

function readDeviation(g: GraphBuilder, x: string) {
  const centred = g.node('Sub', [x, g.mean(x, [1])]);
  const variance = g.node('Add', [g.mean(g.node('Mul', [centred, centred]), [1]), g.scalar(1e-6)]);
  const deviation = g.node('Sqrt', [variance]);
  return g.node('Add', [g.node('Div', [centred, deviation]), deviation]);
}
