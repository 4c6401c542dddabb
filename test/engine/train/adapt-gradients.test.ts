import { blocksOf, type Network, Random, Tensor } from '@fovea/engine';
import type { Activation, ConvolutionActivation, Interpolation, NetworkNode } from '@fovea/engine/backend';
import { canTrain } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { activationNumber } from '../../../engine/src/backends/activation-number.js';
import { activate } from '../../../engine/src/backends/reference/activate.js';
import { normalise } from '../../../engine/src/backends/reference/convolve.js';
import { normalisedMap } from '../../../engine/src/backends/reference/normalise-map.js';
import { plainActivations } from '../../../engine/src/network/activation.js';
import { mapStatistics } from '../../../engine/src/network/normalisation.js';
import { paddedFor } from '../../../engine/src/network/padded.js';
import { interpolations } from '../../../engine/src/network/sampling.js';
import { LearnedValues, normsAfter, savesWork } from '../../../engine/src/train/adapt/learned-values.js';
import { buildAdaptGraph, flopsLeft } from '../../../engine/src/train/adapt/network-graph.js';
import { withAttention } from '../support/attending.js';
import { convNext } from '../support/convnext.js';
import { withJoins } from '../support/joined-network.js';
import { withPools } from '../support/pooled-branches.js';
import {
  randomImages,
  relativeError,
  type SmallNetworkOptions,
  smallNetwork,
} from '../support/small-network.js';
import { dot, execute, expectClose, normal, slopes, stop } from './slopes.js';

describe.skipIf(!canTrain())('gradients of what stands around convolutions', () => {
  it.each([...plainActivations, 'prelu'] as const)('%s with scale and shift', async (activation) => {
    const [rows, C] = [700, 13];
    const x = normal(rows * C).map((value) => 3 * value);
    const [scale, shift, below] = [normal(C), normal(C), normal(C)];
    const slopesBelow = activation === 'prelu' ? [below] : [];
    const y = new Float32Array(x.length);
    const weights = normal(x.length);
    const dims = [rows, C, activationNumber(activation)];
    const value = async () => {
      await execute('activate', dims, x, scale, shift, y, ...slopesBelow);
      return dot(y, weights);
    };
    const [dx, dscale, dshift] = [new Float32Array(x.length), new Float32Array(C), new Float32Array(C)];
    await execute('activate-dx', [...dims, 1], weights, x, scale, shift, dx, ...slopesBelow, dscale, dshift);
    expectClose(await slopes(x, dx, value, 2e-4), 0.05);
    expectClose(await slopes(scale, dscale, value, 2e-4), 0.05);
    expectClose(await slopes(shift, dshift, value, 2e-4), 0.05);
    await value();
    const wanted = x.map((each, i) =>
      activate(each * scale[i % C]! + shift[i % C]!, activation, below[i % C]),
    );
    expect(relativeError(y, wanted)).toBeLessThan(1e-6);
  });

  it('the gate of squeeze-and-excitation', async () => {
    const [N, pixels, C] = [3, 35, 11];
    const [x, gate, weights] = [normal(N * pixels * C), normal(N * C), normal(N * pixels * C)];
    const [y, zeros] = [new Float32Array(x.length), new Float32Array(C)];
    const value = async () => {
      await execute('scale', [N, pixels, C], x, gate, zeros, y);
      return dot(y, weights);
    };
    const [dx, dgate] = [new Float32Array(x.length), new Float32Array(gate.length)];
    await execute('scale-dx', [N, pixels, C], weights, x, gate, zeros, dx, dgate);
    expectClose(await slopes(x, dx, value));
    expectClose(await slopes(gate, dgate, value));
  });

  it.each(interpolations.map((name, i) => [name, i] as const))('a map made larger, %s', async (_, number) => {
    const [N, H, W, C, down, across] = [2, 3, 4, 5, 3, 2];
    const [x, weights] = [normal(N * H * W * C), normal(N * H * down * W * across * C)];
    const [y, dx] = [new Float32Array(weights.length), new Float32Array(x.length).fill(7)];
    const dims = [N, H, W, C, down, across, number];
    const value = async () => {
      await execute('resize', dims, x, y);
      return dot(y, weights);
    };
    await execute('resize-dx', dims, weights, dx);
    expectClose(await slopes(x, dx, value));
  });

  it.each([
    ['moments of one group', 1, 0],
    ['moments of three groups', 3, 0],
    ['moments of channels', 6, 0],
    ['responses', 1, 1],
  ] as const)('a map normalised by %s', async (_, groups, by) => {
    const [N, pixels, C] = [2, 7, 6];
    const [x, weights] = [normal(N * pixels * C).map((value) => value + 0.5), normal(N * pixels * C)];
    const [y, dx] = [new Float32Array(x.length), new Float32Array(x.length)];
    const dims = [N, pixels, C, groups, by];
    const epsilon = Float32Array.of(1e-2);
    const value = async () => {
      await execute('normalise-map', dims, x, epsilon, y);
      return dot(y, weights);
    };
    await value();
    const wanted = normalisedMap(new Tensor([N, 1, pixels, C], x), {
      ...{ by: mapStatistics[by], groups, epsilon: 1e-2 },
    });
    expect(relativeError(y, wanted.data)).toBeLessThan(1e-6);
    await execute('normalise-map-dx', dims, weights, x, epsilon, dx);
    expectClose(await slopes(x, dx, value));
  });

  it('channels that are copied, added, and copied where the others are cleared', async () => {
    const [pixels, read, written] = [3, 4, 5];
    const x = Float32Array.from({ length: pixels * read }, (_, i) => i + 1);
    const rows: number[][] = [];
    for (const how of [0, 1, 2]) {
      const y = new Float32Array(pixels * written).fill(0.5);
      await execute('channels', [pixels, read, written, 1, 2, 3, how], x, y);
      rows.push([...y.subarray(written, 2 * written)]);
    }
    expect(rows).toEqual([
      [0.5, 0.5, 6, 7, 8],
      [0.5, 0.5, 6.5, 7.5, 8.5],
      [0, 0, 6, 7, 8],
    ]);
  });

  it('the normalisation of rows, also of a large mean', async () => {
    for (const [rows, C, centred] of [
      [7, 5, 1],
      [4, 40, 1],
      [3, 1, 1],
      [7, 5, 0],
      [4, 40, 0],
    ] as const) {
      const x = normal(rows * C).map((value) => 3 * value + (centred ? 20 : 1));
      const [bias, epsilon] = [normal(C), Float32Array.of(1e-3)];
      const [y, inverse] = [new Float32Array(x.length), new Float32Array(rows)];
      const weights = normal(x.length);
      const value = async () => {
        y.set(x);
        await execute('normalise-rows', [rows, C, centred], y, bias, epsilon, inverse);
        return dot(y, weights);
      };
      await value();
      for (let row = 0; row < rows; row++) {
        const values = Float64Array.from(x.subarray(row * C, row * C + C), (each, c) => each + bias[c]!);
        const ones = new Float32Array(C).fill(1);
        normalise(values, { scale: ones, shift: new Float32Array(C), epsilon: 1e-3, centred: centred === 1 });
        for (let c = 0; c < C; c++) expect(y[row * C + c]).toBeCloseTo(values[c]!, 4);
      }
      const dx = new Float32Array(x.length);
      await execute('normalise-rows-dx', [rows, C, centred], weights, y, inverse, dx);
      if (C > 1) expectClose(await slopes(x, dx, value), 0.02);
      else expect([...dx].every((each) => each === 0)).toBe(true);
    }
  });

  it('the masked addition', async () => {
    const [N, H, W, C, rows, columns] = [2, 7, 5, 3, 3, 2];
    const [branch, shortcut, weights] = [0, 1, 2].map(() => normal(N * H * W * C)) as Float32Array[];
    const mask = Float32Array.from({ length: N * rows * columns }, (_, i) => (i % 3 === 0 ? 0 : 1));
    const z = new Float32Array(branch!.length);
    const dims = [N, H, W, C, rows, columns];
    const value = async () => {
      await execute('masked-add', dims, branch!, shortcut!, z, mask);
      return dot(z, weights!);
    };
    const [dx, dmask] = [new Float32Array(z.length), new Float32Array(mask.length)];
    await execute('masked-add-dx', dims, weights!, branch!, mask, dx, dmask);
    expectClose(await slopes(branch!, dx, value));
    expectClose(await slopes(mask, dmask, value));
    await value();
    // Pixel (6, 4) of the second image lies in its last cell.
    const last = z.length - C;
    expect(z[last]).toBeCloseTo(branch![last]! * mask[mask.length - 1]! + shortcut![last]!, 5);
  });

  const convolutions: [string, number, number, number, number, number][] = [
    // name, channels, groups, kernel, stride, dilation
    ['depthwise 3x3', 19, 19, 3, 1, 1],
    ['depthwise 5x5 of stride 2', 16, 16, 5, 2, 1],
    ['depthwise 3x3, dilated', 9, 9, 3, 1, 2],
    ['3x3, dilated', 6, 1, 3, 1, 2],
    ['3x3 of stride 2, dilated', 6, 2, 3, 2, 3],
  ];
  it.each(convolutions)('convolution %s', async (_, C, groups, kernel, stride, dilation) => {
    const [N, side] = [2, 9];
    const padding = dilation * (kernel >> 1);
    const out = Math.floor((side + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
    const dims = [N, side, side, C, out, out, C, kernel, kernel, stride, stride, padding, padding, groups, 0];
    dims.push(dilation, dilation);
    const x = normal(N * side * side * C);
    const w = normal((C * C * kernel * kernel) / groups);
    const [y, dx, dw] = [
      new Float32Array(N * out * out * C),
      new Float32Array(x.length),
      new Float32Array(w.length),
    ];
    const weights = normal(y.length);
    const value = async () => {
      await execute('convolution', dims, x, w, y);
      return dot(y, weights);
    };
    await execute('convolution-dx', dims, weights, w, dx);
    await execute('convolution-dw', dims, x, weights, dw);
    expectClose(await slopes(x, dx, value));
    expectClose(await slopes(w, dw, value));
  });

  it('divergence and distance', async () => {
    const [rows, classes] = [5, 9];
    const [student, teacher, gradient] = [normal(45), normal(45), new Float32Array(45)];
    const report = new Float32Array(2);
    const divergence = async () => {
      await execute(
        'divergence',
        [rows, classes],
        student,
        teacher,
        new Float32Array([0.7, 2]),
        gradient,
        report,
      );
      return 0.7 * report[0]!;
    };
    await divergence();
    expectClose(await slopes(student, gradient.slice(), divergence, 1e-2), 0.02);
    const distance = async () => {
      await execute('distance', [45, 0], student, teacher, new Float32Array([0.3]), gradient, report);
      return 0.3 * report[0]!;
    };
    await distance();
    expectClose(await slopes(student, gradient.slice(), distance, 1e-2), 0.02);
  });
});

/** A small network whose activations are smooth, so that finite differences mean something. */
function smooth(network: Network, from: Activation, to: Activation): Network {
  const changed = <Kind extends ConvolutionActivation>(activation: Kind) =>
    activation === from ? to : activation;
  return {
    ...network,
    nodes: network.nodes.map((node) => {
      if (node.kind === 'convolution') {
        return {
          ...node,
          convolution: { ...node.convolution, activation: changed(node.convolution.activation) },
        };
      }
      if (node.kind !== 'block') return node;
      const branch = node.block.branch.map((each) => ({ ...each, activation: changed(each.activation) }));
      return { ...node, block: { ...node.block, branch, activation: changed(node.block.activation) } };
    }),
  };
}

/** A step of adaptation without the optimiser's, images included. */
function laidOut(network: Network) {
  const blocks = blocksOf(network).filter(savesWork);
  const learned = new LearnedValues(blocks, normsAfter(network, blocks[0]!.index));
  const images = randomImages(network, 2);
  const settings = {
    budget: new Float32Array([0, 1, 1, 0]),
    // So hot that nothing goes through the decisions themselves, which finite differences do not see either.
    gumbel: new Float32Array([1e12, 0]),
    random: new Uint32Array(2),
    divergence: new Float32Array([1, 1]),
    distance: new Float32Array([1]),
    adam: new Float32Array([0, 0.9, 0.999, 1, 1]),
  };
  const [, height, width] = images.shape;
  const graph = buildAdaptGraph(network, learned, {
    ...{ batch: 2, height, width, granularity: blocksOf(network).map(() => 2), settings },
    ...{ training: true, update: false },
  });
  graph.images.set(images.data);
  return { graph, learned };
}

describe.skipIf(!canTrain())('gradients through whole networks', () => {
  it.each(['upper', 'lower'] as const)(
    'are those of the padding that a size asks for, %s',
    async (samePadding) => {
      const plain = smallNetwork();
      const nodes = plain.nodes.map((node): NetworkNode => {
        if (node.kind !== 'block') return node;
        const branch = node.block.branch.map((each) =>
          each.stride[0] > 1 ? { ...each, padding: [0, 0, 0, 0] as const, samePadding } : each,
        );
        return { ...node, block: { ...node.block, branch } };
      });
      const network = { ...plain, nodes };
      const results = [];
      for (const each of [network, paddedFor(network, network.inputShape)]) {
        const { graph, learned } = laidOut(each);
        const [first] = graph.blocks;
        // A direction of its own, so that masks are mixed.
        learned.masker(first!.block.index)!.weight.forEach((_, i, weight) => {
          weight[i] = Math.sin(i);
        });
        await graph.program.run(1, stop);
        const { gradients } = learned;
        results.push({ gradients: [...gradients], left: flopsLeft(graph), distances: graph.distances });
      }
      expect(results[0]!.gradients.some((value) => value !== 0)).toBe(true);
      expect(results[0]).toEqual(results[1]);
    },
  );

  const networks: [string, SmallNetworkOptions | Network, Activation?, Interpolation?][] = [
    ['maps joined, nearest', { kind: 'basic' }, 'silu', 'nearest'],
    ['pixels that attend to each other', withAttention(smallNetwork({ kind: 'bottleneck' }))],
    ['maps joined, bilinear by half pixels', { kind: 'bottleneck' }, 'silu', 'half-pixel'],
    ['maps joined, bilinear by corners', { kind: 'basic' }, 'silu', 'align-corners'],
    ['bottlenecks with projections', { kind: 'bottleneck' }],
    ['projections behind a pool', { kind: 'bottleneck', pooledShortcut: true, height: 9, mapWidth: 11 }],
    ['grouped bottlenecks', { kind: 'bottleneck', groups: 4 }],
    ['basic blocks', { kind: 'basic' }],
    ['inverted residuals, depthwise', { kind: 'inverted', groups: 8 }],
    ['pre-activated bottlenecks', { kind: 'preactivated' }],
    ['separable convolutions', { kind: 'separable' }],
    ['max-pools in branches', withPools(smallNetwork())],
    ['squeeze-and-excitation', { kind: 'bottleneck', excite: true }],
    ['ECA', { kind: 'bottleneck', excite: true, attention: 'slide' }],
    ['attention by two pools', { kind: 'bottleneck', excite: true, attention: 'pools' }],
    ['CBAM', { kind: 'bottleneck', excite: true, attention: 'pixels' }],
    ['global response normalisation', { kind: 'bottleneck', excite: true, attention: 'response' }],
    ['basic blocks with Mish', { kind: 'basic' }, 'mish'],
    ['basic blocks with leaky ReLU', { kind: 'basic' }, 'leaky-relu 0.9'],
    ['ConvNeXt', convNext({ sides: [40, 36] })],
    ['ConvNeXt with RMS normalisation', convNext({ sides: [40, 36], centred: false })],
  ];
  it.each(networks)('%s: scales and shifts, masks held', async (name, options, activation = 'silu', join) => {
    const plain = smooth('nodes' in options ? options : smallNetwork(options), 'relu', activation);
    const network = join ? withJoins(plain, join) : plain;
    const { graph, learned } = laidOut(network);
    const blocks = blocksOf(network).filter(savesWork);
    const random = new Random(5);
    const value = async () => {
      await graph.program.run(2, stop);
      return graph.divergence[0]! + graph.distances.reduce((sum, each) => sum + each[0]!, 0);
    };
    await value();
    // Half of the first block's cells: no other masks, which could flip with what lies before them.
    for (const { block, pooled, rows, columns } of graph.blocks.slice(0, 1)) {
      const { weight, bias } = learned.masker(block.index)!;
      const C = weight.length / 2;
      const direction = Float32Array.from({ length: C }, () => random.normal());
      weight.set(direction);
      const cells = Array.from({ length: 2 * rows * columns }, (_, i) =>
        dot(direction, pooled.subarray(i * C, (i + 1) * C)),
      );
      bias[1] = cells.sort((a, b) => a - b)[cells.length >> 1]!;
    }
    expect(await value()).toBeGreaterThan(0.01);
    const norms = normsAfter(network, blocks[0]!.index).map((convolution) => learned.norm(convolution)!);
    expect(norms.length).toBeGreaterThan(4);
    const checked = [blocksOf(network)[0]!, blocksOf(network).at(-1)!].flatMap(({ branch }) =>
      branch.filter((layer, i) => i === branch.length - 1 || layer.normalisation),
    );
    for (const convolution of checked) {
      const { scale, shift, scaleGradient, shiftGradient } = learned.norm(convolution)!;
      for (const [array, gradient] of [
        [scale, scaleGradient],
        [shift, shiftGradient],
      ] as const) {
        await value();
        // Along a longer step another pixel would become the largest.
        const step = name === 'max-pools in branches' ? 2e-4 : 2e-3;
        expectClose(await slopes(array, gradient.slice(), value, step));
      }
    }
    expect(learned.gradients.every(Number.isFinite)).toBe(true);
    expect(flopsLeft(graph)).toBeLessThan(1);
  });
});
