import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { blocksOf, describeNetwork, loadNetwork, type Network, run, Tensor } from '@fovea/engine';
import { openDense } from '@fovea/engine/onnx';
import { afterAll, describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  NodeProtoSchema,
} from '../../../../engine/src/network/onnx/generated/onnx_pb.js';
import { ElementType } from '../../../../engine/src/network/onnx/tensor.js';
import { agrees, conv, floats, model, original, weights } from '../../support/onnx-graphs.js';
import { randomImages, relativeError } from '../../support/small-network.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-files-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function load(bytes: Uint8Array, options = {}): Promise<{ network: Network; path: string }> {
  const path = join(folder, 'model.onnx');
  writeFileSync(path, bytes);
  return { network: await loadNetwork(path, options), path };
}

/** @param vectors false where the output is a map, which lies in another order of axes here */
async function sameAs(network: Network, images: Tensor, expected: readonly number[], vectors = true) {
  for (const backend of ['reference', 'native', 'onnx'] as const) {
    const { output } = await run(network, images, { backend, masker: 'random', rate: 1 });
    const values = vectors ? output.data : output.toNCHW();
    expect(relativeError(values, Float32Array.from(expected)), backend).toBeLessThan(1e-4);
  }
}

const ints = (name: string, values: readonly number[]): AttributeProto =>
  create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INTS, ints: values.map(BigInt) });

/** A residual block of 3x3 convolutions and a ReLU. */
function block(g: GraphBuilder, x: string, channels: number): string {
  const branch = conv(g, g.activation(conv(g, x, channels, channels), 'relu'), channels, channels);
  return g.activation(g.node('Add', [branch, x]), 'relu');
}

describe('files as other tools write them', () => {
  it('hold fused convolutions, the residual addition inside them', async () => {
    const graph = new GraphBuilder({}, 17, [{ domain: 'com.microsoft', version: 1n }]);
    const x = graph.input('x', ['batch', 3, 8, 8]);
    const fused = (input: string, added?: string) => {
      const text = (name: string, value: string) =>
        create(AttributeProtoSchema, {
          name,
          type: AttributeProto_AttributeType.STRING,
          s: new TextEncoder().encode(value),
        });
      const output = graph.fresh('fused');
      const inputs = [input, floats(graph, 3, 3, 3, 3), floats(graph, 3), ...(added ? [added] : [])];
      const attribute = [ints('pads', [1, 1, 1, 1]), text('activation', 'Relu')];
      graph.append(
        [
          create(NodeProtoSchema, {
            opType: 'FusedConv',
            domain: 'com.microsoft',
            input: inputs,
            output: [output],
            attribute,
          }),
        ],
        [],
      );
      return output;
    };
    const stem = fused(x);
    const bytes = graph.finish('fused', [{ name: fused(fused(stem), stem) }]).model;
    expect(blocksOf(await agrees(bytes, 'fused'))).toHaveLength(1);
  });

  it('hold an initialiser twice, of which the last counts', async () => {
    await agrees(
      model((g, x) => {
        g.floats('w', [4, 3, 1, 1], weights(12, 1));
        const sum = g.node('Conv', [x, 'w']);
        g.floats('w', [4, 3, 1, 1], weights(12, 2));
        return g.activation(sum, 'relu');
      }),
      'twice',
    );
  });

  it('list inputs that nothing reads', async () => {
    const { network } = await load(
      model((g, x) => {
        g.input('mode', [1], ElementType.INT64);
        return conv(g, x, 3, 4);
      }),
    );
    expect(network.input).toBe('x');
  });

  it('take the image in NHWC and turn it first', async () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', ['batch', 8, 8, 3]);
    const turned = graph.node('Transpose', [x], { perm: [0, 3, 1, 2] });
    const output = block(graph, turned, 3);
    const { network, path } = await load(graph.finish('nhwc', [{ name: output }]).model);
    expect(network.inputShape).toEqual({ channels: 3, height: 8, width: 8 });
    expect(network.nodes.map(({ kind }) => kind)).toEqual(['block']);
    const images = randomImages(network, 2);
    await sameAs(network, images, await nchw(path, images, output));
  });

  it('take the image in NHWC and normalise it before they turn it', async () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', ['batch', 8, 8, 3]);
    const centred = graph.node('Sub', [x, graph.floats('mean', [3], Float32Array.of(0.1, 0.2, 0.3))]);
    const output = block(graph, graph.node('Transpose', [centred], { perm: [0, 3, 1, 2] }), 3);
    const { network, path } = await load(graph.finish('nhwc', [{ name: output }]).model);
    expect(network.inputShape).toEqual({ channels: 3, height: 8, width: 8 });
    const images = randomImages(network, 2);
    await sameAs(network, images, await nchw(path, images, output));
  });

  it.each<[(number | string)[], { channels: number; height: number; width: number }]>([
    [['batch', 'height', 'width', 3], { channels: 3, height: 224, width: 224 }],
    [['batch', 64, 4, 4], { channels: 64, height: 4, width: 4 }],
    [['batch', 3, 8, 3], { channels: 3, height: 8, width: 3 }],
  ])('are read by their extents where no convolution comes first: %j', async (dims, inputShape) => {
    const graph = new GraphBuilder();
    const x = graph.node('Sub', [graph.input('x', dims), graph.scalar(0.5)]);
    const { network } = await load(graph.finish('extents', [{ name: graph.node('Tanh', [x]) }]).model);
    expect(network.inputShape).toEqual(inputShape);
  });

  /** The original's output, given the images as they lie in NHWC, in the engine's order of values. */
  async function nchw(path: string, images: Tensor, output: string): Promise<number[]> {
    const values = await original(path, 'x', Float32Array.from(images.data), [...images.shape], output);
    const [N, H, W, C] = images.shape;
    return [...Tensor.fromNCHW([N, C, H, W], Float32Array.from(values)).data];
  }

  it('have several outputs, of which one is chosen by name', async () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', ['batch', 3, 8, 8]);
    const features = block(graph, x, 3);
    const pooled = graph.node('Flatten', [graph.node('GlobalAveragePool', [features])], { axis: 1 });
    const logits = graph.node('Gemm', [pooled, floats(graph, 3, 5)]);
    // The importer gives the value behind it the outputs' place.
    const named = graph.node('Identity', [logits], {}, { output: 'logits' });
    const bytes = graph.finish('two', [{ name: features }, { name: named }]).model;
    const first = await load(bytes);
    expect(first.network.notes).toContain(`of 2 outputs ${features} is computed; there are also logits`);
    const { network, path } = await load(bytes, { output: 'logits' });
    expect(describeNetwork(network).nodes.at(-1)).toMatchObject({ shape: [1, 1, 5] });
    const images = randomImages(network, 2);
    await sameAs(network, images, await original(path, 'x', images.toNCHW(), [2, 3, 8, 8], 'logits'));
    const dense = await openDense(network, { batch: 2, height: 8, width: 8 });
    expect(dense.source).toBe('file');
    const logitsOfFile = (await dense.run(images)).output;
    await dense.dispose();
    await sameAs(network, images, [...logitsOfFile.data]);
    await expect(load(bytes, { output: 'boxes' })).rejects.toMatchObject({
      code: 'unknown-name',
      message: expect.stringMatching(/has no output "boxes"; it has .*, logits$/),
    });
  });

  it('end in a class number', async () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', ['batch', 3, 8, 8]);
    const pooled = graph.node('Flatten', [graph.node('GlobalAveragePool', [block(graph, x, 3)])], {
      axis: 1,
    });
    const best = graph.node('ArgMax', [graph.node('Gemm', [pooled, floats(graph, 3, 5)])], { axis: 1 });
    const bytes = graph.finish('class', [{ name: best, type: ElementType.INT64 }]).model;
    const { network, path } = await load(bytes);
    const images = randomImages(network, 2);
    await sameAs(network, images, await original(path, 'x', images.toNCHW(), [2, 3, 8, 8], best));
  });

  it('hold operators of another domain, and are written again', async () => {
    const graph = new GraphBuilder({}, 17, [{ domain: 'com.microsoft', version: 1n }]);
    const x = graph.input('x', ['batch', 3, 8, 8]);
    const input = [conv(graph, x, 3, 3)];
    graph.append(
      [create(NodeProtoSchema, { opType: 'QuickGelu', domain: 'com.microsoft', input, output: ['y'] })],
      [],
    );
    const bytes = graph.finish('domain', [{ name: block(graph, 'y', 3) }]).model;
    expect(blocksOf(await agrees(bytes, 'domain'))).toHaveLength(1);
  });

  it('have two heads on pooled features, and are written again', async () => {
    const network = await agrees(
      model((g, x) => {
        const head = (features: string) => {
          const pooled = g.node('Flatten', [g.node('GlobalAveragePool', [features])], { axis: 1 });
          return g.node('Gemm', [pooled, floats(g, 3, 5)]);
        };
        const features = block(g, x, 3);
        return g.node('Add', [head(features), head(block(g, features, 3))]);
      }),
      'heads',
    );
    expect(blocksOf(network)).toHaveLength(2);
  });
});

describe('an operator without a shape rule', () => {
  /** A product over channels, whose extents lie in the equation. */
  const odd = (g: GraphBuilder, x: string) =>
    g.node('Einsum', [x, floats(g, 3, 3)], { equation: 'nchw,cd->ndhw' });

  it('has its shape found by onnxruntime, at the size that runs and for any batch', async () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', ['batch', 3, 'height', 'width']);
    const output = block(graph, odd(graph, block(graph, x, 3)), 3);
    const { network, path } = await load(graph.finish('odd', [{ name: output }]).model);
    expect(blocksOf(network)).toHaveLength(2);
    expect(describeNetwork(network).nodes.map(({ shape }) => shape?.join('x'))).toEqual([
      '224x224x3',
      '224x224x3',
      '224x224x3',
    ]);
    const small = { ...network, inputShape: { channels: 3, height: 9, width: 7 } };
    const images = randomImages(small, 2);
    const expected = await original(path, 'x', images.toNCHW(), [2, 3, 9, 7], output);
    const { output: result } = await run(small, images, { backend: 'onnx', masker: 'random', rate: 1 });
    expect(relativeError(result.toNCHW(), Float32Array.from(expected))).toBeLessThan(1e-4);
  });

  it('has lists of numbers that the graph makes from extents computed for it', async () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', ['batch', 3, 'height', 'width']);
    const first = block(graph, x, 3);
    // A row and a column of zeros where a side is odd.
    const sides = graph.node('Slice', [
      graph.node('Shape', [first]),
      graph.integers([2]),
      graph.integers([4]),
    ]);
    const odd = graph.node('Mod', [sides, graph.integers([2, 2])]);
    const pads = graph.node('Concat', [graph.integers([0, 0, 0, 0, 0, 0]), odd], { axis: 0 });
    const output = block(graph, graph.node('Pad', [first, pads]), 3);
    const { network, path } = await load(graph.finish('odd', [{ name: output }]).model);
    expect(blocksOf(network)).toHaveLength(2);
    for (const [height, width] of [
      [8, 8],
      [9, 8],
      [9, 7],
    ] as const) {
      const sized = { ...network, inputShape: { channels: 3, height, width } };
      const images = randomImages(sized, 2);
      await sameAs(
        sized,
        images,
        await original(path, 'x', images.toNCHW(), [2, 3, height, width], output),
        false,
      );
    }
  });
});
