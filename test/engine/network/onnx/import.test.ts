import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blocksOf, builtNetwork, loadNetwork, type Network, type Tensor } from '@fovea/engine';
import type { Convolution, NetworkNode } from '@fovea/engine/backend';
import { importOnnx, type OnnxOptions, openDense, toOnnx, toOnnxWithExternalData } from '@fovea/engine/onnx';
import { afterAll, describe, expect, it } from 'vitest';
import { agrees, conv, densely, model, weights } from '../../support/onnx-graphs.js';
import { randomImages, smallNetwork } from '../../support/small-network.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-onnx-'));
afterAll(() => rmSync(folder, { recursive: true }));

function difference(a: Tensor, b: Tensor): number {
  expect(a.shape).toEqual(b.shape);
  let [worst, largest] = [0, 1e-12];
  for (let i = 0; i < a.data.length; i++) {
    worst = Math.max(worst, Math.abs(a.data[i]! - b.data[i]!));
    largest = Math.max(largest, Math.abs(b.data[i]!));
  }
  return worst / largest;
}

/** What survives a file: everything about blocks but names and maskers. */
function structure(network: Network) {
  return blocksOf(network).map(
    ({ index, stage, kind, branch, attention, projection, activation, adaptive }) => ({
      index,
      stage,
      kind,
      branch: branch.map(({ kernel, stride, padding, groups, activation }) => ({
        kernel,
        stride,
        padding,
        groups,
        activation,
      })),
      excites: attention && [attention.after, attention.reduce?.activation, attention.gate.activation],
      projects: projection?.stride,
      activation,
      adaptive,
    }),
  );
}

const forms: [string, OnnxOptions][] = [
  ['folded, raw', {}],
  ['batch norm left unfolded', { batchNorm: { seed: 1 } }],
  ['one protobuf number a value', { data: 'typed' }],
  ['Constant nodes', { constants: 'node' }],
  ['initialisers listed as inputs', { listedAsInputs: true }],
  ['ReduceMean and Reshape before the classifier', { head: 'reshape' }],
  ['a fixed batch', { batch: 2 }],
  ['every extent open', { size: 'dynamic' }],
  [
    'all at once',
    { batchNorm: { seed: 2 }, data: 'typed', constants: 'node', head: 'reshape', size: 'dynamic' },
  ],
];

describe('ONNX import', () => {
  it.each(forms)('reads back a network written with %s', async (_, options) => {
    for (const kind of ['bottleneck', 'basic', 'inverted'] as const) {
      const network = smallNetwork({ kind, excite: kind === 'bottleneck', groups: kind === 'basic' ? 1 : 4 });
      const imported = await importOnnx(toOnnx(network, options), 'copy');
      expect(structure(imported)).toEqual(structure(network));
      expect(imported.nodes.filter((node) => node.kind === 'foreign')).toEqual([]);
      expect(imported.notes).toEqual([]);
      const images = randomImages(network, 2);
      expect(difference(await densely(imported, images), await densely(network, images))).toBeLessThan(1e-5);
    }
  });

  it.each(['resnet18', 'resnet50', 'resnext50_32x4d', 'regnet_x_400mf', 'regnet_y_400mf', 'mobilenet_v2'])(
    'finds the blocks of %s',
    async (name) => {
      const network = builtNetwork(name, { classes: 10 });
      const imported = await importOnnx(toOnnx(network), 'copy');
      expect(structure(imported)).toEqual(structure(network));
      const [built, read] = [blocksOf(network), blocksOf(imported)];
      for (const [i, block] of read.entries()) expect(block.name.startsWith(built[i]!.name)).toBe(true);
      expect(imported.nodes.map(({ kind }) => kind)).toEqual(network.nodes.map(({ kind }) => kind));
    },
  );

  it('takes a file with external data, and runs that very file as the dense baseline', async () => {
    const network = smallNetwork();
    const { model, external } = toOnnxWithExternalData(network, 'weights.bin');
    writeFileSync(join(folder, 'model.onnx'), model);
    writeFileSync(join(folder, 'weights.bin'), external!);
    const imported = await loadNetwork(join(folder, 'model.onnx'));
    const images = randomImages(network, 2);
    const expected = await densely(network, images);
    expect(difference(await densely(imported, images), expected)).toBeLessThan(1e-6);
    const session = await openDense(imported, { batch: 2, height: 13, width: 11 });
    expect(session.source).toBe('file');
    expect(difference((await session.run(images)).output, expected)).toBeLessThan(1e-4);
    await session.dispose();
  });

  it('runs a file of fixed size at another size', async () => {
    const network = smallNetwork();
    writeFileSync(join(folder, 'fixed.onnx'), toOnnx(network, { batch: 1 }));
    const imported = await loadNetwork(join(folder, 'fixed.onnx'));
    const images = randomImages({ ...network, inputShape: { channels: 3, height: 20, width: 9 } }, 3);
    const session = await openDense(imported, { batch: 3, height: 20, width: 9 });
    expect(session.source).toBe('written');
    expect(difference((await session.run(images)).output, await densely(network, images))).toBeLessThan(1e-4);
    await session.dispose();
  });

  it('computes half-precision weights in float32', async () => {
    const network = smallNetwork();
    const half = await importOnnx(toOnnx(network, { precision: 'float16' }), 'half');
    expect(half.notes).toEqual(['half-precision weights are computed in float32']);
    const images = randomImages(network);
    expect(difference(await densely(half, images), await densely(network, images))).toBeLessThan(1e-2);
    const again = await importOnnx(toOnnx(half, { precision: 'float16', data: 'typed' }), 'again');
    expect(await densely(again, images)).toEqual(await densely(half, images));
  });

  it('writes what it has read so that onnxruntime agrees', async () => {
    for (const [, options] of forms) {
      const network = smallNetwork({ excite: true, groups: 2 });
      const imported = await importOnnx(toOnnx(network, options), 'copy');
      const images = randomImages(network, 2);
      const session = await openDense(imported, { batch: 2, height: 13, width: 11 });
      expect(difference((await session.run(images)).output, await densely(network, images))).toBeLessThan(
        1e-4,
      );
      await session.dispose();
    }
  });

  it('writes the mean of a head in the form of the operator set that a foreign piece asks for', async () => {
    const bytes = model((g, x) => g.node('GlobalAveragePool', [g.node('Tanh', [conv(g, x, 3, 4)])]), 18);
    const network = await importOnnx(bytes, 'pooled');
    expect(network.nodes.map(({ kind }) => kind)).toEqual(['convolution', 'foreign', 'global-pool']);
    const images = randomImages(network, 1);
    const path = join(folder, 'pooled.onnx');
    writeFileSync(path, toOnnx(network, { head: 'reshape' }));
    const session = await openDense(await loadNetwork(path), { batch: 1, height: 8, width: 8 });
    expect(session.source).toBe('file');
    expect(difference((await session.run(images)).output, await densely(network, images))).toBeLessThan(1e-4);
    await session.dispose();
  });

  const dilated = (samePadding: 'upper' | 'lower', stride: readonly [number, number]): Network => {
    const network = smallNetwork({ strides: [1, 2], learned: false });
    const padding = [0, 0, 0, 0] as const;
    const nodes = network.nodes.map((node): NetworkNode => {
      const bySize = <C extends Convolution>(convolution: C, step: readonly [number, number]): C => ({
        ...convolution,
        ...{ padding, samePadding, stride: step, dilation: [2, 3] },
      });
      if (node.kind === 'convolution' && node.name === 'stem')
        return { ...node, convolution: bySize(node.convolution, stride) };
      if (node.kind !== 'block') return node;
      const branch = node.block.branch.map((layer) =>
        layer.kernel[0] > 1 ? bySize(layer, layer.stride) : layer,
      );
      return { ...node, block: { ...node.block, branch } };
    });
    return { ...network, nodes };
  };

  it.each([
    ['upper', [1, 1]],
    ['lower', [1, 1]],
    ['upper', [2, 3]],
    ['lower', [3, 2]],
    ['lower', [1, 2]],
  ] as const)(
    'writes SAME padding (%s) beside a dilation and a stride of %j as amounts, which onnxruntime takes',
    async (samePadding, stride) => {
      const network = dilated(samePadding, stride);
      for (const [height, width] of [
        [13, 11],
        [16, 10],
      ] as const) {
        const sized = { ...network, inputShape: { ...network.inputShape, height, width } };
        const images = randomImages(sized, 2);
        const expected = await densely(sized, images);
        const session = await openDense(network, { batch: 2, height, width });
        expect(difference((await session.run(images)).output, expected)).toBeLessThan(1e-4);
        await session.dispose();
        const again = await importOnnx(toOnnx(sized), 'again');
        expect(blocksOf(again)).toHaveLength(2);
        expect(difference(await densely(again, images), expected)).toBeLessThan(1e-4);
      }
    },
  );

  it('refuses to write it for any size, naming the convolution', () => {
    const network = dilated('upper', [1, 1]);
    expect(() => toOnnx(network, { size: 'dynamic' })).toThrow(
      /"block1.conv2" is padded by its input's size beside a dilation of 2x3 and a stride of 2x2.*"dynamic" is not/,
    );
  });

  describe('of operators of an older set', () => {
    /** Everything whose form changed since: cut-off values, changed ranks, sums of rows, reductions, gates. */
    const old = (opset: number) =>
      model((g, x) => {
        const stem = g.activation(conv(g, x, 3, 4), 'relu6');
        const map = conv(g, stem, 4, 4);
        const gate = g.activation(conv(g, g.node('GlobalAveragePool', [map]), 4, 4, 1), 'hardsigmoid');
        const branch = conv(g, g.node('Mul', [map, gate]), 4, 4);
        const sum = g.activation(g.node('Add', [branch, stem]), 'hardswish');
        const pooled = g.node('AveragePool', [sum], { kernel_shape: [2, 2], strides: [2, 2] });
        const vector = g.node('Flatten', [g.mean(g.node('Sin', [pooled]), [2, 3])]);
        const weight = g.floats('fc', [4, 4], weights(16, 3));
        const bias = g.floats('fc.bias', [4], weights(4, 5));
        const linear = g.node('Gemm', [vector, weight, bias], { transB: 1 });
        const spread = g.unsqueezed(g.node('Softmax', [linear], { axis: 1 }), [2, 3]);
        return g.activation(conv(g, spread, 4, 3, 1), 'leaky-relu 0.2');
      }, opset);

    it.each([7, 8, 9, 10, 11, 12])('writes networks with operators of set %i', async (opset) => {
      const network = await agrees(old(opset), `set-${opset}`);
      expect(network.nodes.map(({ kind }) => kind)).toContain('foreign');
      const again = await importOnnx(toOnnx(network, { head: 'reshape', maskers: true }), 'again');
      expect(structure(again)).toEqual(structure(network));
      expect(blocksOf(again)).toHaveLength(1);
      const images = randomImages(network, 2);
      expect(difference(await densely(again, images), await densely(network, images))).toBeLessThan(1e-4);
    });

    it('names the operator that the set does not have', async () => {
      const network = await importOnnx(old(8), 'old');
      const nodes = network.nodes.map(
        (node): NetworkNode =>
          node.kind === 'convolution'
            ? { ...node, convolution: { ...node.convolution, activation: 'gelu' } as Convolution }
            : node,
      );
      expect(() => toOnnx({ ...network, nodes })).toThrow(
        /^Erf exists from ONNX operator set 9 on.* set 8; /,
      );
    });
  });
});
