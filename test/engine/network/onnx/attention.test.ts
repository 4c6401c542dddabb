import { blocksOf, describeNetwork, type Network, type NetworkRunOptions, run } from '@fovea/engine';
import { importOnnx, toOnnx } from '@fovea/engine/onnx';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { readNetwork } from '../../../../engine/src/network/read.js';
import { storeNetwork } from '../../../../engine/src/network/stored/write.js';
import { missingOf } from '../../support/backends.js';
import { agrees, agreesAt, conv, floats, model, open, weights } from '../../support/onnx-graphs.js';
import { randomImages, relativeError } from '../../support/small-network.js';

const C = 6;

/** Operators that compute a scale for each channel of a map, and multiply by it. */
type Attend = (g: GraphBuilder, map: string) => string;

const line = (g: GraphBuilder, size: number) => g.floats(g.fresh('line'), [1, 1, size], weights(size, 3));
const slide = (g: GraphBuilder, x: string, size = 3, around: object = { pads: [size >> 1, size >> 1] }) =>
  g.node('Conv', [x, line(g, size)], { kernel_shape: [size], ...around });
const scaled = (g: GraphBuilder, map: string, scale: string) => g.node('Mul', [map, scale]);
/** The shape that PyTorch computes where the batch is open: the first extent of a value, then constants. */
const openShape = (g: GraphBuilder, value: string, ...rest: number[]) => {
  const batch = g.node('Gather', [g.node('Shape', [value]), g.integers([0], [])], { axis: 0 });
  return g.node('Concat', [g.node('Unsqueeze', [batch, g.integers([0])]), g.integers(rest)], { axis: 0 });
};

const eca: Record<string, Attend> = {
  'as its authors wrote it': (g, map) => {
    const pooled = g.node('GlobalAveragePool', [map]);
    const row = g.node('Transpose', [g.node('Squeeze', [pooled, g.integers([-1])])], { perm: [0, 2, 1] });
    const column = g.node('Transpose', [slide(g, row)], { perm: [0, 2, 1] });
    const gate = g.node('Sigmoid', [g.node('Unsqueeze', [column, g.integers([-1])])]);
    return scaled(g, map, g.node('Expand', [gate, g.node('Shape', [map])]));
  },
  'as timm has it, the batch being open': (g, map) => {
    const mean = g.mean(map, [2, 3], { keepdims: 0 });
    const mixed = g.node('Sigmoid', [slide(g, g.node('Reshape', [mean, openShape(g, map, 1, -1)]), 5)]);
    const gate = g.node('Reshape', [mixed, openShape(g, map, -1, 1, 1)]);
    return scaled(g, map, g.node('Expand', [gate, g.node('Shape', [map])]));
  },
  'with shapes that are constants': (g, map) => {
    const mean = g.node('Reshape', [g.mean(map, [-1, -2]), g.integers([0, 1, C])]);
    const mixed = slide(g, mean, 3, { auto_pad: 'SAME_UPPER' });
    const gate = g.node('Reshape', [mixed, g.integers([0, C, 1, 1])]);
    return scaled(g, map, g.node('HardSigmoid', [gate], { alpha: Float32Array.of(1 / 6) }));
  },
  'as a convolution of two dimensions, with a bias': (g, map) => {
    const row = g.node('Transpose', [g.node('GlobalAveragePool', [map])], { perm: [0, 3, 1, 2] });
    const weight = g.floats(g.fresh('line'), [1, 1, 3, 1], weights(3, 3));
    const turned = g.node('Transpose', [row], { perm: [0, 1, 2, 3] });
    const bias = g.floats(g.fresh('bias'), [1], weights(1, 2));
    const mixed = g.node('Conv', [turned, weight, bias], { pads: [1, 0, 1, 0], kernel_shape: [3, 1] });
    return scaled(g, g.node('Transpose', [g.node('Sigmoid', [mixed])], { perm: [0, 2, 1, 3] }), map);
  },
};

/** CBAM's two layers over what a pool gave. */
type Perceptron = (g: GraphBuilder, pooled: string) => string;

function channelsOf(g: GraphBuilder, map: string, perceptron: Perceptron, maximum = 'GlobalMaxPool') {
  const most =
    maximum === 'GlobalMaxPool' ? g.node('GlobalMaxPool', [map]) : g.most(map, [2, 3], { keepdims: 1 });
  const sum = g.node(
    'Add',
    [g.node('GlobalAveragePool', [map]), most].map((pooled) => perceptron(g, pooled)),
  );
  return g.node('Sigmoid', [sum]);
}

const sharedLayers = (g: GraphBuilder): Perceptron => {
  const [reduce, expand] = [floats(g, 2, C, 1, 1), floats(g, C, 2, 1, 1)];
  return (_, pooled) => g.node('Conv', [g.node('Relu', [g.node('Conv', [pooled, reduce])]), expand]);
};

const sharedMatrices = (g: GraphBuilder): Perceptron => {
  const [reduce, expand] = [floats(g, C, 2), floats(g, 2, C)];
  const [b, c] = [g.floats('b', [2], weights(2, 1)), g.floats('c', [C], weights(C, 2))];
  return (_, pooled) => {
    const flat = g.node('Flatten', [pooled], { axis: 1 });
    return g.node('Gemm', [g.node('Relu', [g.node('Gemm', [flat, reduce, b])]), expand, c]);
  };
};

const summaries = (g: GraphBuilder, map: string, kinds: readonly ('mean' | 'most')[], keepdims: 0 | 1 = 1) =>
  g.node(
    'Concat',
    kinds.map((kind) => {
      const pooled = g[kind](map, [1], { keepdims });
      return keepdims === 1 ? pooled : g.node('Unsqueeze', [pooled, g.integers([1])]);
    }),
    { axis: 1 },
  );

const cbam: Record<string, Attend> = {
  'as timm has it': (g, map) => {
    const channels = scaled(g, map, channelsOf(g, map, sharedLayers(g), 'ReduceMax'));
    const [scale, shift, mean, variance] = [1, 2, 3, 4].map((seed) =>
      g.floats(
        g.fresh('norm'),
        [1],
        weights(1, seed).map((value) => Math.abs(value) + 0.1),
      ),
    );
    const mixed = conv(g, summaries(g, channels, ['mean', 'most']), 2, 1, 7);
    const normed = g.node('BatchNormalization', [mixed, scale!, shift!, mean!, variance!]);
    return scaled(g, channels, g.node('Sigmoid', [normed]));
  },
  'as its authors wrote it': (g, map) => {
    const gate = channelsOf(g, map, sharedMatrices(g));
    const maps = g.node('Unsqueeze', [g.node('Unsqueeze', [gate, g.integers([2])]), g.integers([3])]);
    const channels = scaled(g, map, g.node('Expand', [maps, g.node('Shape', [map])]));
    const mixed = conv(g, summaries(g, channels, ['most', 'mean'], 0), 2, 1, 3);
    return scaled(g, channels, g.node('Sigmoid', [mixed]));
  },
  'of channels alone': (g, map) => scaled(g, map, channelsOf(g, map, sharedLayers(g))),
};

const effective: Record<string, Attend> = {
  'of one layer (eSE), as VoVNet has it': (g, map) => {
    const mixed = conv(g, g.mean(map, [2, 3]), C, C, 1);
    return scaled(g, map, g.node('HardSigmoid', [mixed], { alpha: Float32Array.of(1 / 6) }));
  },
};

/** The map times what its channels' norms are of their mean. */
function normed(g: GraphBuilder, map: string, axes: readonly number[] = [2, 3], channels = 1) {
  const norms = g.norm(map, axes);
  const mean = g.node('Add', [g.mean(norms, [channels]), g.scalar(1e-6)]);
  return g.node('Mul', [map, g.node('Div', [norms, mean])]);
}

const response: Record<string, Attend> = {
  'with scales alone': (g, map) =>
    g.node('Add', [map, g.node('Mul', [floats(g, 1, C, 1, 1), normed(g, map)])]),
};

const forms = Object.entries({ ECA: eca, CBAM: cbam, attention: effective, GRN: response }).flatMap(
  ([name, written]) => Object.entries(written).map(([how, attend]) => [`${name} ${how}`, attend] as const),
);

/** ResNet's block, and one that scales before its last convolution. */
function network(attend: Attend) {
  return model(
    (g, x) => {
      const stem = g.node('Relu', [conv(g, x, 3, C)]);
      const first = attend(g, conv(g, g.node('Relu', [conv(g, stem, C, C)]), C, C));
      const sum = g.node('Relu', [g.node('Add', [first, stem])]);
      const inside = attend(g, g.node('Relu', [conv(g, sum, C, C)]));
      return g.node('Relu', [g.node('Add', [conv(g, inside, C, C, 1), sum])]);
    },
    17,
    open,
  );
}

describe.each(forms)('%s', (name, attend) => {
  it('is a block, dense as in onnxruntime and sparse alike on every backend', async () => {
    const found = await agrees(network(attend), name.replaceAll(/\W/g, '-'));
    expect(found.nodes.map(({ kind }) => kind)).toEqual(['convolution', 'block', 'block']);
    expect(blocksOf(found).map(({ attention }) => attention?.after)).toEqual([1, 0]);
    await agreesAt(found, 17, 21);
    const stored = await readNetwork(storeNetwork(found));
    const written = await importOnnx(toOnnx(found), 'written');
    expect(blocksOf(written).map(({ adaptive }) => adaptive)).toEqual([true, true]);
    const inputShape = { channels: 3, height: 21, width: 17 };
    for (const strategy of ['unfused', 'lasnet', 'streamed', 'dense'] as const) {
      await masksAgree({ ...stored, inputShape }, { strategy });
    }
    await masksAgree({ ...stored, inputShape }, { excitation: 'active' });
    await masksAgree({ ...written, inputShape });
    expect(describeNetwork(found).flops).toBe(describeNetwork(written).flops);
  });
});

describe('global response normalisation with shifts', () => {
  const shifted: Record<string, Attend> = {
    'as timm has it': (g, map) => {
      const [scale, shift] = [floats(g, 1, C, 1, 1), floats(g, 1, C, 1, 1)];
      return g.node('Add', [map, g.node('Add', [shift, g.node('Mul', [scale, normed(g, map)])])]);
    },
    'as its authors wrote it, channels last': (g, map) => {
      const last = g.node('Transpose', [map], { perm: [0, 2, 3, 1] });
      const scaled = g.node('Mul', [floats(g, C), normed(g, last, [1, 2], -1)]);
      const sum = g.node('Add', [g.node('Add', [scaled, floats(g, C)]), last]);
      return g.node('Transpose', [sum], { perm: [0, 3, 1, 2] });
    },
  };
  const blockOf = (attend: Attend, kernel: number) =>
    model(
      (g, x) => {
        const stem = conv(g, x, 3, C);
        return g.node('Add', [conv(g, attend(g, g.node('Relu', [conv(g, stem, C, C)])), C, C, kernel), stem]);
      },
      17,
      open,
    );

  it.each(Object.entries(shifted))(
    '%s follows masks where a pointwise convolution is next',
    async (name, attend) => {
      const found = await agrees(blockOf(attend, 1), name.replaceAll(/\W/g, '-'));
      expect(found.nodes.map(({ kind }) => kind)).toEqual(['convolution', 'block']);
      expect(describeNetwork(found).nodes[1]!.block!.structure).toContain('global response normalisation');
      await agreesAt(found, 17, 21);
      for (const granularity of [1, 4, 8, Number.POSITIVE_INFINITY]) {
        await masksAgree({ ...found, inputShape: { channels: 3, height: 21, width: 17 } }, { granularity });
      }
    },
  );

  it('stays dense before zeros around the map, which have no shift', async () => {
    const found = await agrees(blockOf(shifted['as timm has it']!, 3), 'padded');
    expect(blocksOf(found)).toEqual([]);
    const addition = describeNetwork(found).nodes.findLast(({ kind }) => kind === 'add');
    expect(addition?.dense).toMatch(/shift/);
  });
});

/** Alike, but not what can be scaled later: each computes something else. */
const others: Record<string, Attend> = {
  'a window of an even size': (g, map) => {
    const mean = g.node('Reshape', [g.mean(map, [2, 3]), g.integers([0, 1, C])]);
    const mixed = g.node('Conv', [mean, line(g, 4)], { pads: [1, 2], kernel_shape: [4] });
    return scaled(g, map, g.node('Sigmoid', [g.node('Reshape', [mixed, g.integers([0, C, 1, 1])])]));
  },
  'a window that is dilated': (g, map) => {
    const mean = g.node('Reshape', [g.mean(map, [2, 3]), g.integers([0, 1, C])]);
    const mixed = g.node('Conv', [mean, line(g, 3)], { pads: [2, 2], dilations: [2] });
    return scaled(g, map, g.node('Sigmoid', [g.node('Reshape', [mixed, g.integers([0, C, 1, 1])])]));
  },
  'a gate that is read elsewhere': (g, map) => {
    const gate = g.node('Sigmoid', [conv(g, g.node('GlobalAveragePool', [map]), C, C, 1)]);
    return g.node('Add', [scaled(g, map, gate), gate]);
  },
  'two layers that differ': (g, map) => {
    const sides = [g.node('GlobalAveragePool', [map]), g.node('GlobalMaxPool', [map])].map((pooled, i) => {
      const hidden = g.node('Relu', [conv(g, pooled, C, 2, 1)]);
      const expand = g.floats(g.fresh('expand'), [C, 2, 1, 1], weights(2 * C, i));
      return g.node('Conv', [hidden, expand]);
    });
    return scaled(g, map, g.node('Sigmoid', [g.node('Add', sides)]));
  },
  'the mean of another map': (g, map) => {
    const mean = g.node('GlobalAveragePool', [g.node('Elu', [map])]);
    return scaled(g, map, g.node('Sigmoid', [conv(g, mean, C, C, 1)]));
  },
  'channels in groups that are mixed': (g, map) => {
    const grid = g.node('Reshape', [g.node('GlobalAveragePool', [map]), g.integers([0, 1, 2, 3])]);
    const turned = g.node('Transpose', [grid], { perm: [0, 1, 3, 2] });
    const mixed = slide(g, g.node('Reshape', [turned, g.integers([0, 1, C])]));
    return scaled(g, map, g.node('Sigmoid', [g.node('Reshape', [mixed, g.integers([0, C, 1, 1])])]));
  },
  'pixels alone': (g, map) =>
    scaled(g, map, g.node('Sigmoid', [conv(g, summaries(g, map, ['mean', 'most']), 2, 1, 7)])),
};

it.each(Object.entries(others))('%s stays dense, and inspect says so', async (name, attend) => {
  const found = await agrees(
    model(
      (g, x) => {
        const stem = conv(g, x, 3, C);
        return g.node('Add', [attend(g, conv(g, stem, C, C)), stem]);
      },
      17,
      open,
    ),
    name.replaceAll(/\W/g, '-'),
  );
  expect(blocksOf(found)).toEqual([]);
  await agreesAt(found, 13, 10);
  const addition = describeNetwork(found).nodes.findLast(({ kind }) => kind === 'add');
  expect(addition?.dense).toMatch(/no attention|Add lies|read elsewhere/);
});

async function masksAgree(network: Network, other: NetworkRunOptions = {}) {
  const images = randomImages(network, 2);
  const options = { masker: 'random', rate: 0.3, seed: 4, granularity: 2, ...other } as const;
  const plain = await run(network, images, { ...options, backend: 'reference' });
  for (const backend of ['native', 'onnx', 'webgpu'] as const) {
    if ((await missingOf(backend)) !== undefined) continue;
    for (const threads of backend === 'native' ? [1, 2] : [1]) {
      const { output } = await run(network, images, { ...options, backend, threads });
      expect(relativeError(output.data, plain.output.data), `${backend}, ${threads} threads`).toBeLessThan(
        1e-4,
      );
    }
  }
}
