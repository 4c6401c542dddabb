import { blocksOf, describeNetwork, type Network, type NetworkRunOptions, run } from '@fovea/engine';
import { importOnnx, toOnnx } from '@fovea/engine/onnx';
import { describe, expect, it } from 'vitest';
import { LONGEST_BRANCH } from '../../../../engine/src/network/longest-branch.js';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { readNetwork } from '../../../../engine/src/network/read.js';
import { storeNetwork } from '../../../../engine/src/network/stored/write.js';
import { missingOf } from '../../support/backends.js';
import { agrees, agreesAt, conv, floats, model, open, weights } from '../../support/onnx-graphs.js';
import { randomImages, relativeError } from '../../support/small-network.js';

const kinds = (network: Network) => network.nodes.map(({ kind }) => kind);

describe('residual blocks', () => {
  /** Batch norm's arithmetic, a ReLU and a convolution. */
  const preactivated = (g: GraphBuilder, x: string) => {
    const scaled = g.node('Mul', [x, g.floats(g.fresh('s'), [6, 1, 1], weights(6, 5))]);
    const shifted = g.node('Add', [scaled, g.floats(g.fresh('t'), [6, 1, 1], weights(6, 6))]);
    return conv(g, g.activation(shifted, 'relu'), 6, 6);
  };

  it('are found where a network normalises before it convolves', async () => {
    const network = await agrees(
      model((g, x) => {
        const stem = conv(g, x, 3, 6);
        return g.node('Add', [stem, preactivated(g, preactivated(g, stem))]);
      }),
      'preactivation',
    );
    expect(kinds(network)).toEqual(['convolution', 'block']);
    await masksAgree(network);
  });

  /** As in He et al. 2016b: normalised before each of three convolutions; the first norm has nothing to fold into. */
  function bottleneck(g: GraphBuilder, x: string, stride = 1) {
    const normalised = (value: string, channels: number) => {
      const scaled = g.node('Mul', [value, g.floats(g.fresh('s'), [channels, 1, 1], weights(channels, 5))]);
      const shift = g.floats(g.fresh('t'), [channels, 1, 1], weights(channels, 6));
      return g.activation(g.node('Add', [scaled, shift]), 'relu');
    };
    const before = normalised(x, 6);
    const reduced = normalised(conv(g, before, 6, 5, 1), 5);
    const spatial = g.node('Conv', [reduced, floats(g, 5, 5, 3, 3)], {
      pads: [1, 1, 1, 1],
      strides: [stride, stride],
    });
    return { before, branch: conv(g, normalised(spatial, 5), 5, 6, 1) };
  }

  it('are found where a bottleneck normalises before it convolves', async () => {
    const network = await agrees(
      model((g, x) => {
        const stem = conv(g, x, 3, 6);
        const first = bottleneck(g, stem);
        const projected = g.node('Add', [first.branch, conv(g, first.before, 6, 6, 1)]);
        const second = g.node('Add', [projected, bottleneck(g, projected).branch]);
        const pool = g.node('MaxPool', [second], { kernel_shape: [1, 1], strides: [2, 2] });
        return g.node('Add', [bottleneck(g, second, 2).branch, pool]);
      }),
      'preactivated-bottlenecks',
    );
    const blocks = blocksOf(network);
    expect(blocks.map(({ adaptive, branch }) => [adaptive, branch.length])).toEqual([
      [true, 3],
      [true, 4],
      [true, 4],
    ]);
    expect(blocks[2]!.projection).toMatchObject({ groups: 6, kernel: [1, 1], stride: [2, 2] });
    expect(network.nodes.some(({ kind }) => kind === 'foreign')).toBe(false);
    for (const strategy of ['unfused', 'lasnet', 'streamed', 'dense'] as const) {
      for (const rate of [0, 0.4, 1]) await masksAgree(network, { strategy, rate });
    }
    await masksAgree({ ...network, inputShape: { channels: 3, height: 13, width: 11 } }, {});
  });

  it('are found where the shortcut is an average pool and a convolution', async () => {
    const network = await agrees(
      model(
        (g, x) => {
          const stem = conv(g, x, 3, 3);
          const strided = g.node('Conv', [stem, floats(g, 4, 3, 3, 3)], {
            pads: [1, 1, 1, 1],
            strides: [2, 2],
          });
          const branch = conv(g, g.activation(strided, 'relu'), 4, 4);
          // As torch.onnx writes AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False).
          const window = { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1, count_include_pad: 0 };
          const pool = g.node('AveragePool', [stem], window);
          return g.activation(g.node('Add', [branch, conv(g, pool, 3, 4, 1)]), 'relu');
        },
        17,
        open,
      ),
      'resnet-d',
    );
    expect(blocksOf(network)).toMatchObject([
      { adaptive: true, projection: { kernel: [1, 1] }, projectionPool: { size: [2, 2], ceilMode: true } },
    ]);
    const stored = await readNetwork(storeNetwork(network));
    const sizes = [
      [8, 8],
      [7, 7],
      [9, 12],
      [14, 11],
    ] as const;
    for (const [height, width] of sizes) {
      await agreesAt(network, height, width);
      const inputShape = { channels: 3, height, width };
      for (const strategy of ['unfused', 'lasnet', 'streamed', 'dense'] as const) {
        await masksAgree({ ...stored, inputShape }, { strategy });
      }
      await masksAgree({ ...(await importOnnx(toOnnx(network), 'again')), inputShape });
    }
  });

  it.each(['SAME_UPPER', 'SAME_LOWER'])(
    'are found where a stride is padded by size: %s',
    async (auto_pad) => {
      const network = await agrees(
        model(
          (g, x) => {
            const stem = g.node('Conv', [x, floats(g, 6, 3, 3, 3)], { auto_pad, strides: [2, 2] });
            const reduced = g.activation(conv(g, stem, 6, 5, 1), 'relu6');
            const strided = { auto_pad, strides: [2, 2], group: 5 };
            const spatial = g.activation(g.node('Conv', [reduced, floats(g, 5, 1, 5, 5)], strided), 'relu6');
            const projected = g.node('Conv', [stem, floats(g, 7, 6, 1, 1)], { auto_pad, strides: [2, 2] });
            return g.activation(g.node('Add', [conv(g, spatial, 5, 7, 1), projected]), 'relu');
          },
          17,
          open,
        ),
        'same-padded',
      );
      expect(network.nodes.map(({ kind }) => kind)).toEqual(['convolution', 'block']);
      const stored = await readNetwork(storeNetwork(network));
      for (const [height, width] of [
        [16, 16],
        [13, 18],
        [19, 15],
      ] as const) {
        await agreesAt(network, height, width);
        const sized = { ...stored, inputShape: { channels: 3, height, width } };
        for (const strategy of ['unfused', 'lasnet', 'streamed', 'dense'] as const) {
          await masksAgree(sized, { strategy });
        }
      }
    },
  );

  it('are found where every channel has a slope of its own, as in networks for faces', async () => {
    const prelu = (g: GraphBuilder, x: string, channels: number) =>
      g.node('PRelu', [x, g.floats(g.fresh('slope'), [channels, 1, 1], weights(channels, 4))]);
    const depthwise = (g: GraphBuilder, x: string, channels: number) =>
      g.node('Conv', [x, floats(g, channels, 1, 3, 3)], { pads: [1, 1, 1, 1], group: channels });
    const network = await agrees(
      model(
        (g, x) => {
          const stem = prelu(g, conv(g, x, 3, 6), 6);
          // IResNet, as ArcFace has it: normalised first, nothing after the sum.
          const scaled = g.node('Mul', [stem, g.floats('s', [6, 1, 1], weights(6, 5))]);
          const shifted = g.node('Add', [scaled, g.floats('t', [6, 1, 1], weights(6, 6))]);
          const first = g.node('Add', [conv(g, prelu(g, conv(g, shifted, 6, 20), 20), 20, 6), stem]);
          // MobileFaceNet's inverted bottleneck.
          const expanded = prelu(g, conv(g, first, 6, 19, 1), 19);
          const spatial = prelu(g, depthwise(g, expanded, 19), 19);
          const second = g.node('Add', [conv(g, spatial, 19, 6, 1), first]);
          // And one behind the sum, which the block leaves to a node of its own.
          const third = prelu(
            g,
            g.node('Add', [conv(g, prelu(g, conv(g, second, 6, 9), 9), 9, 6), second]),
            6,
          );
          const pooled = g.node('Flatten', [g.node('GlobalAveragePool', [third])], { axis: 1 });
          const hidden = g.node('Gemm', [pooled, floats(g, 6, 7)]);
          return g.node('PRelu', [hidden, g.floats('slope', [7], weights(7, 2))]);
        },
        17,
        open,
      ),
      'slopes',
    );
    expect(blocksOf(network).map(({ adaptive, kind }) => [adaptive, kind])).toEqual([
      [true, 'residual'],
      [true, 'inverted'],
      [true, 'basic'],
    ]);
    expect(kinds(network)).toEqual([
      ...['convolution', 'block', 'block', 'block', 'convolution'],
      ...['global-pool', 'convolution'],
    ]);
    const file = storeNetwork(network);
    const stored = { ...(await readNetwork(file)), inputShape: { channels: 3, height: 20, width: 17 } };
    await agreesAt(network, 20, 17);
    for (const strategy of ['unfused', 'lasnet', 'streamed', 'dense'] as const) {
      for (const rate of [0, 0.4, 1]) await masksAgree(stored, { strategy, rate });
    }
    const text = new TextDecoder('latin1').decode(file).replaceAll('slopes', 'sloped');
    const without = Uint8Array.from(text, (character) => character.charCodeAt(0));
    await expect(readNetwork(without)).rejects.toThrow(/slopes undefined, where 6 values belong/);
  });

  it.each<[string, (g: GraphBuilder, x: string) => string, string]>([
    [
      'an activation that no convolution takes in',
      (g, x) => conv(g, g.node('Elu', [conv(g, x, 3, 3)]), 3, 3),
      'Elu lies in its branch',
    ],
    [
      'more convolutions than a branch may have',
      (g, x) => {
        const kernels = Array.from({ length: LONGEST_BRANCH + 1 }, (_, i) => (i % 2 ? 3 : 1));
        return kernels.reduce((value, kernel) => conv(g, value, 3, 3, kernel), x);
      },
      `its branch is longer than ${LONGEST_BRANCH} convolutions`,
    ],
    [
      'averages of fewer values at the edge',
      (g, x) => {
        const pool = { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 0 };
        return g.node('AveragePool', [conv(g, x, 3, 3)], pool);
      },
      'average-pool lies in its branch',
    ],
    [
      'a pool before its convolutions',
      (g, x) => {
        const pool = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
        return conv(g, g.node('MaxPool', [x], pool), 3, 3);
      },
      'its branch begins with max-pool',
    ],
    [
      'an activation alone',
      (g, x) => g.activation(x, 'relu'),
      'relu behind no convolution lies in its branch',
    ],
    [
      'another gate',
      (g, x) => g.node('Mul', [conv(g, x, 3, 3), conv(g, x, 3, 3)]),
      'a product that is no attention',
    ],
  ])('are not made of %s, and inspect says so', async (_, build, reason) => {
    const network = await agrees(
      model((g, x) => {
        const stem = conv(g, x, 3, 3);
        return g.node('Add', [build(g, stem), stem]);
      }),
      'dense',
    );
    expect(blocksOf(network)).toEqual([]);
    const addition = describeNetwork(network).nodes.at(-1)!;
    expect(addition.kind).toBe('add');
    expect(addition.dense).toMatch(new RegExp(`^${reason}`));
  });

  it.each([
    ['relu', undefined],
    ['prelu', weights(6, 9)],
  ] as const)(
    'are found where three separable convolutions follow a %s of their own',
    async (kind, slopes) => {
      const separable = (g: GraphBuilder, x: string, stride: number) => {
        const depthwise = g.node('Conv', [x, floats(g, 6, 1, 3, 3)], {
          pads: [1, 1, 1, 1],
          strides: [stride, stride],
          group: 6,
        });
        return conv(g, depthwise, 6, 6, 1);
      };
      const network = await agrees(
        model((g, x) => {
          const activated = (value: string) =>
            slopes
              ? g.node('PRelu', [value, g.floats(g.fresh('slopes'), [6, 1, 1], slopes)])
              : g.activation(value, 'relu');
          const block = (value: string, stride: number) =>
            [1, 1, stride].reduce((before, step) => separable(g, activated(before), step), value);
          const stem = conv(g, x, 3, 6);
          const first = g.node('Add', [block(stem, 1), stem]);
          const projection = g.node('Conv', [first, floats(g, 6, 6, 1, 1)], { strides: [2, 2] });
          return g.node('Add', [block(first, 2), projection]);
        }),
        `separable-${kind}`,
      );
      expect(kinds(network)).toEqual(['convolution', 'block', 'block']);
      for (const { adaptive, branch, kind: name } of blocksOf(network)) {
        expect([adaptive, branch.length, name]).toEqual([true, 7, 'inverted']);
        expect(branch.map(({ activation }) => activation)).toEqual([
          ...[kind, 'none', kind, 'none', kind, 'none', 'none'],
        ]);
      }
      for (const strategy of ['unfused', 'lasnet', 'streamed', 'dense'] as const) {
        for (const rate of [0, 0.4, 1]) await masksAgree(network, { strategy, rate });
      }
      const again = await importOnnx(toOnnx(network), 'again');
      expect(blocksOf(again).map(({ branch }) => branch.length)).toEqual([7, 7]);
    },
  );

  async function masksAgree(network: Network, other: NetworkRunOptions = {}) {
    const images = randomImages(network, 2);
    const options = { masker: 'random', rate: 0.4, seed: 4, granularity: 2, ...other } as const;
    const plain = await run(network, images, { ...options, backend: 'reference' });
    const runs = [
      { backend: 'native', threads: 1 },
      { backend: 'native', threads: 2 },
      { backend: 'onnx' },
      { backend: 'webgpu' },
    ] as const;
    for (const { backend, ...threads } of runs) {
      if ((await missingOf(backend)) !== undefined) continue;
      const { output, masks } = await run(network, images, { ...options, backend, ...threads });
      expect(masks.map(({ cells }) => cells)).toEqual(plain.masks.map(({ cells }) => cells));
      expect(relativeError(output.data, plain.output.data), backend).toBeLessThan(1e-4);
    }
  }
});
