import { fileURLToPath } from 'node:url';
import { blocksOf, loadNetwork, type Network, Random, run, Tensor } from '@fovea/engine';
import { type NetworkNode, networkShapes, spreadCells } from '@fovea/engine/backend';
import { importOnnx } from '@fovea/engine/onnx';
import { fitMaskers, measureAgreement, observeBlocks } from '@fovea/engine/train';
import { beforeAll, describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../engine/src/network/onnx/builder.js';
import { compareOutputs } from '../../../engine/src/train/fit/agreement.js';
import { ridgeRegression } from '../../../engine/src/train/fit/ridge.js';
import { withAttention } from '../support/attending.js';
import { conv, model } from '../support/onnx-graphs.js';
import { randomImages, relativeError, smallNetwork } from '../support/small-network.js';

const fixture = fileURLToPath(new URL('../../fixtures/lasnet-tiny.safetensors', import.meta.url));
const backend = 'reference';

function imagesOf(count: number, side: number): Tensor {
  const random = new Random(4);
  const tensor = Tensor.zeros([count, side, side, 3]);
  // Smooth blobs: masks of pure noise would show nothing.
  for (let n = 0; n < count; n++) {
    const [cx, cy] = [random.next() * side, random.next() * side];
    for (let i = 0; i < side * side; i++) {
      const near = Math.exp(-(((i % side) - cx) ** 2 + (Math.floor(i / side) - cy) ** 2) / 80);
      for (let c = 0; c < 3; c++)
        tensor.data[(n * side * side + i) * 3 + c] = 2 * near * (c + 1) + 0.2 * random.normal();
    }
  }
  return tensor;
}

describe('ridge regression', () => {
  const random = new Random(1);
  const [rows, columns] = [40, 6];
  const features = Float32Array.from({ length: rows * columns }, () => 3 * random.normal() + 1);
  const truth = [0.5, -2, 0, 1, 0.25, 3];
  const target = new Float64Array(rows).map((_, r) =>
    truth.reduce((sum, w, c) => sum + w * features[r * columns + c]!, 7),
  );

  it('finds the linear map behind clean data', () => {
    const { weight, bias, explained } = ridgeRegression(features, columns, target, 1e-9);
    truth.forEach((w, c) => {
      expect(weight[c]).toBeCloseTo(w, 4);
    });
    expect(bias).toBeCloseTo(7, 3);
    expect(explained).toBeCloseTo(1, 6);
  });

  it('gives features that change by rounding alone no weight', () => {
    for (const used of [rows, 4]) {
      const more = Float32Array.from({ length: used * (columns + 2) }, (_, i) => {
        const [row, column] = [Math.floor(i / (columns + 2)), i % (columns + 2)];
        if (column === columns) return 0.1;
        // As means of the same values in another order.
        if (column > columns) return row % 3 === 0 ? 0.7 : 0.7000001;
        return features[row * columns + column]!;
      });
      const { weight } = ridgeRegression(more, columns + 2, target.subarray(0, used), 1e-9);
      expect(Math.abs(weight[columns]!)).toBeLessThan(1e-3);
      expect(Math.abs(weight[columns + 1]!)).toBeLessThan(1e-3);
    }
  });

  it('gives the same answer in its dual form, taken when there are fewer rows than features', () => {
    const few = features.subarray(0, 4 * columns);
    const { weight } = ridgeRegression(few, columns, target.subarray(0, 4), 0.3);
    // The same four rows three times over, with the same penalty per row, go the primal way.
    const thrice = Float32Array.from([...few, ...few, ...few]);
    const again = ridgeRegression(
      thrice,
      columns,
      Float64Array.from([0, 1, 2].flatMap(() => [...target.subarray(0, 4)])),
      0.3,
    );
    weight.forEach((w, c) => {
      expect(again.weight[c]).toBeCloseTo(w, 6);
    });
  });

  it('shrinks towards the mean as the penalty grows', () => {
    const { weight } = ridgeRegression(features, columns, target, 1e6);
    expect(Math.max(...weight.map(Math.abs))).toBeLessThan(1e-3);
  });
});

describe('fitting maskers', () => {
  let network: Network;
  const images = imagesOf(3, 64);
  beforeAll(async () => {
    const loaded = await loadNetwork(fixture);
    // As if it had never been trained for masks.
    const nodes = loaded.nodes.map((node) => {
      if (node.kind !== 'block') return node;
      const { masker: _, granularity: __, ...block } = node.block;
      return { ...node, block };
    });
    network = { ...loaded, nodes };
  });

  it('observes every block and reaches the same output as a dense run', async () => {
    const seen: number[] = [];
    const output = await observeBlocks(network, images, { backend }, ({ block, input, energy }) => {
      seen.push(block.index);
      const shape = networkShapes(network, { batch: 3, height: 64, width: 64 }).blocks[block.index]!;
      expect(input.shape).toEqual([3, shape.inHeight, shape.inWidth, shape.inChannels]);
      expect(energy.shape).toEqual([3, shape.outHeight, shape.outWidth, 1]);
      expect(Math.max(...energy.data)).toBeGreaterThan(0);
      return undefined;
    });
    expect(seen).toEqual(blocksOf(network).map(({ index }) => index));
    const dense = await run(network, images, { backend, masker: 'random', rate: 1, strategy: 'dense' });
    output.data.forEach((value, i) => {
      expect(value).toBeCloseTo(dense.output.data[i]!, 3);
    });
  });

  it('meets the rate on the calibration images, and runs', async () => {
    const { network: fitted, blocks } = await fitMaskers(network, images, {
      rate: 0.25,
      granularity: 2,
      backend,
    });
    expect(blocks).toHaveLength(6);
    const { masks } = await run(fitted, images, { backend, masker: 'learned' });
    masks.forEach((mask, i) => {
      const active = mask.cells.reduce((sum, cell) => sum + cell, 0);
      expect(mask.granularity).toBe(2);
      // One cell of slack, for a score on the threshold.
      expect(Math.abs(active - 0.25 * mask.cells.length)).toBeLessThanOrEqual(1.01);
      expect(blocks[i]!.rate).toBeCloseTo(active / mask.cells.length, 1);
    });
  });

  it('meets a FLOPs target by the same rate everywhere', async () => {
    const { network: fitted, flops } = await fitMaskers(network, images, {
      flopsTarget: 0.6,
      granularity: 2,
      backend,
    });
    expect(flops).toBeGreaterThan(0.5);
    expect(flops).toBeLessThanOrEqual(0.6);
    const { profile } = await run(fitted, images, { backend, masker: 'learned' });
    expect(profile.flops / (profile.flops + profile.flopsAvoided)).toBeCloseTo(flops, 2);
  });

  it('fits blocks that a longer way goes around', async () => {
    const plain = smallNetwork({ strides: [1, 1, 1, 1], learned: false });
    // block0 → block1 → block2 → skip = block2 + block0's input → block3.
    const around = { kind: 'add', inputs: ['block2', 'stem'], output: 'skip', activation: 'relu' } as const;
    const nodes = plain.nodes.flatMap((node): NetworkNode[] =>
      node.name === 'block2'
        ? [node, { ...around, name: 'skip' }]
        : node.name === 'block3'
          ? [{ ...node, inputs: ['skip'] }]
          : [node],
    );
    const input = randomImages(plain, 2);
    const skipping = { ...plain, nodes };
    const dense = await run(skipping, input, { backend, strategy: 'dense' });
    const seen = await observeBlocks(skipping, input, { backend }, () => undefined);
    expect(relativeError(seen.data, dense.output.data)).toBeLessThan(1e-5);
    const { network: fitted, blocks } = await fitMaskers(skipping, input, { rate: 0.5, backend });
    expect(blocks.map(({ name, rate }) => [name, rate])).toEqual(
      ['block0', 'block1', 'block2', 'block3'].map((name) => [name, 0.5]),
    );
    const { output, masks } = await run(fitted, input, { backend, masker: 'learned' });
    // What each block was fitted on is what it gets when those before it are masked.
    const masked = await observeBlocks(fitted, input, { backend }, ({ block }) => {
      const { cells, height, width } = masks[block.index]!;
      return spreadCells(cells, masks[block.index]!, 2, height, width);
    });
    expect(relativeError(masked.data, output.data)).toBeLessThan(1e-5);
  });

  it.each([
    ['of one map', (network: Network) => network],
    [
      'of two maps',
      (network: Network): Network => ({
        ...network,
        nodes: network.nodes.flatMap((node): NetworkNode[] =>
          node.kind === 'pixel-attention'
            ? [
                {
                  kind: 'activation',
                  name: 'keys',
                  inputs: [node.inputs[1]!],
                  output: 'keys',
                  activation: 'silu',
                },
                { ...node, inputs: [node.inputs[0]!, 'keys', 'keys'] },
              ]
            : [node],
        ),
      }),
    ],
  ] as const)('observes and fits blocks around an attention of pixels, %s', async (_, changed) => {
    const attends = changed(withAttention(smallNetwork()));
    const input = randomImages(attends, 2);
    const dense = await run(attends, input, { backend, strategy: 'dense' });
    const seen = await observeBlocks(attends, input, { backend }, () => undefined);
    expect(relativeError(seen.data, dense.output.data)).toBeLessThan(1e-5);
    const { blocks } = await fitMaskers(attends, input, { rate: 0.5, backend });
    expect(blocks.length).toBe(blocksOf(attends).filter(({ adaptive }) => adaptive).length);
  });

  it.each([
    ['the engine', 'nearest', ['slice', 'resize', 'concat']],
    ['onnxruntime', 'cubic', ['slice', 'foreign', 'concat']],
  ])('fits the blocks of a U-Net, whose maps are made larger by %s', async (_, mode, joins) => {
    const block = (g: GraphBuilder, x: string, channels: number) =>
      g.node('Add', [conv(g, g.activation(conv(g, x, channels, channels), 'relu'), channels, channels), x]);
    const bytes = model((g, x) => {
      const high = block(g, conv(g, x, 3, 4), 4);
      const low = block(g, g.node('MaxPool', [high], { kernel_shape: [2, 2], strides: [2, 2] }), 4);
      const scales = g.floats('scales', [4], Float32Array.of(1, 1, 2, 2));
      const up = g.node('Resize', [g.channels(low, 1, 3), '', scales], { mode });
      return block(g, conv(g, g.node('Concat', [up, high], { axis: 1 }), 7, 5, 1), 5);
    });
    const unet = await importOnnx(bytes, 'unet');
    const others = unet.nodes.map(({ kind }) => kind).filter((kind) => !/block|convolution|pool/.test(kind));
    expect(others).toEqual(joins);
    const input = randomImages(unet, 2);
    const { blocks, network: fitted } = await fitMaskers(unet, input, { rate: 0.5, backend });
    expect(blocks.map(({ rate }) => rate)).toEqual([0.5, 0.5, 0.5]);
    const seen = await observeBlocks(unet, input, { backend }, () => undefined);
    const dense = await run(unet, input, { backend, strategy: 'dense' });
    expect(relativeError(seen.data, dense.output.data)).toBeLessThan(1e-5);
    const { profile } = await run(fitted, input, { backend, masker: 'learned' });
    expect(profile.flopsAvoided).toBeGreaterThan(0);
  });

  it('keeps the cells where the branch does most', async () => {
    const rate = 0.3;
    const { network: fitted } = await fitMaskers(network, images, { rate, backend });
    const { masks } = await run(fitted, images, { backend, masker: 'learned', strategy: 'unfused' });
    const first = masks[0]!;
    let [kept, total] = [0, 0];
    await observeBlocks(network, images, { backend }, ({ block, energy }) => {
      if (block.index !== 0) return undefined;
      energy.data.forEach((value, i) => {
        total += value;
        if (first.cells[i]) kept += value;
      });
      return undefined;
    });
    expect(kept / total).toBeGreaterThan(rate + 0.1);
  });

  it('reports full agreement at rate 1, and no more than that below', async () => {
    const rows = await measureAgreement(network, images, { rates: [0, 1], granularities: [1, 2], backend });
    expect(rows).toHaveLength(4);
    for (const { rate, top1, cosine, measuredRate, flops } of rows) {
      if (rate === 1)
        expect([top1, cosine, flops, measuredRate]).toEqual([
          1,
          expect.closeTo(1, 5),
          expect.closeTo(1, 2),
          1,
        ]);
      else expect(cosine).toBeLessThanOrEqual(1);
      if (rate === 0) expect(measuredRate).toBe(0);
    }
  });

  it('says what it does not accept', async () => {
    await expect(fitMaskers(network, images, { rate: 1.5 })).rejects.toThrow(/1.5/);
    await expect(fitMaskers(network, images, { rate: 0.5, flopsTarget: 0.5 })).rejects.toThrow(/not both/);
    await expect(fitMaskers(network, images, { flopsTarget: 0 })).rejects.toThrow(/FLOPs target 0/);
    await expect(fitMaskers(network, images, { flopsTarget: 0.01, backend })).rejects.toThrow(/always runs/);
    await expect(fitMaskers(network, images, { rate: [0.5, 0.5] })).rejects.toThrow(/2 rates given/);
    const plain = { ...network, nodes: network.nodes.filter((node) => node.kind !== 'block') };
    await expect(fitMaskers(plain, images)).rejects.toThrow(/no residual blocks/);
    const signal = AbortSignal.abort();
    await expect(fitMaskers(network, images, { signal, backend })).rejects.toMatchObject({ code: 'aborted' });
  });

  it('compares outputs row by row', () => {
    const a = new Tensor([2, 1, 1, 2], new Float32Array([1, 0, 0, 3]));
    const b = new Tensor([2, 1, 1, 2], new Float32Array([2, 0, 3, 0]));
    expect(compareOutputs(a, b)).toEqual({ top1: 0.5, cosine: 0.5 });
    // Two images of 1 x 2 positions with two classes each: three of the four positions agree.
    const map = (...values: number[]) => new Tensor([2, 1, 2, 2], Float32Array.from(values));
    const compared = compareOutputs(map(9, 0, 0, 1, 9, 0, 1, 0), map(9, 0, 1, 0, 9, 0, 1, 0));
    expect(compared.top1).toBe(0.75);
  });
});
