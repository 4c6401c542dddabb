import { create } from '@bufbuild/protobuf';
import { blocksOf, describeNetwork, type Network, run } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  NodeProtoSchema,
} from '../../../../engine/src/network/onnx/generated/onnx_pb.js';
import { missingOf } from '../../support/backends.js';
import { agrees, agreesAt, floats, model, open } from '../../support/onnx-graphs.js';
import { randomImages, relativeError } from '../../support/small-network.js';

/** Convolution, batch norm folded into it, and an activation. */
function layer(
  g: GraphBuilder,
  x: string,
  channels: readonly [from: number, to: number],
  { kernel = 1, stride = 1, dilation = 1, activation = 'silu' as 'silu' | 'relu' | 'none' } = {},
): string {
  const [from, to] = channels;
  const pad = dilation * (kernel >> 1);
  const scale = g.scalar(1 / Math.sqrt(from * kernel));
  const sum = g.node('Conv', [x, floats(g, to, from, kernel, kernel), floats(g, to)], {
    pads: [pad, pad, pad, pad],
    strides: [stride, stride],
    dilations: [dilation, dilation],
  });
  return g.activation(g.node('Mul', [sum, scale]), activation);
}

/** YOLO's bottleneck: both convolutions activated, the sum not. */
const bottleneck = (g: GraphBuilder, x: string, channels: number, first = 3) =>
  g.node('Add', [
    x,
    layer(g, layer(g, x, [channels, channels], { kernel: first }), [channels, channels], { kernel: 3 }),
  ]);

/** YOLOv8's C2f: halves of a convolution's channels, of which the second goes through bottlenecks. */
function c2f(g: GraphBuilder, x: string, [from, to]: readonly [number, number], count: number): string {
  const half = to / 2;
  const both = layer(g, x, [from, to]);
  const parts = [g.fresh('half'), g.fresh('half')];
  const axis = create(AttributeProtoSchema, { name: 'axis', type: AttributeProto_AttributeType.INT, i: 1n });
  const input = [both, g.integers([half, half])];
  g.append([create(NodeProtoSchema, { opType: 'Split', input, output: [...parts], attribute: [axis] })], []);
  for (let i = 0; i < count; i++) parts.push(bottleneck(g, parts.at(-1)!, half));
  return layer(g, g.node('Concat', parts, { axis: 1 }), [half * parts.length, to]);
}

/** YOLOv5's C3: bottlenecks beside a bypass. */
function c3(g: GraphBuilder, x: string, [from, to]: readonly [number, number], count: number): string {
  let inner = layer(g, x, [from, to / 2]);
  for (let i = 0; i < count; i++) inner = bottleneck(g, inner, to / 2, 1);
  return layer(g, g.node('Concat', [inner, layer(g, x, [from, to / 2])], { axis: 1 }), [to, to]);
}

const upsampled = (g: GraphBuilder, x: string) =>
  g.node('Resize', [x, '', g.floats(g.fresh('scales'), [4], Float32Array.of(1, 1, 2, 2))], {
    mode: 'nearest',
    coordinate_transformation_mode: 'asymmetric',
    nearest_mode: 'floor',
  });

/** Torchvision's bottleneck; its stride may be turned into dilation. */
function residual(
  g: GraphBuilder,
  x: string,
  [from, to]: readonly [number, number],
  { stride = 1, dilation = 1 } = {},
): string {
  const width = to / 2;
  const reduced = layer(g, x, [from, width], { activation: 'relu' });
  const spatial = layer(g, reduced, [width, width], { kernel: 3, stride, dilation, activation: 'relu' });
  const branch = layer(g, spatial, [width, to], { activation: 'none' });
  const shortcut = from === to && stride === 1 ? x : layer(g, x, [from, to], { stride, activation: 'none' });
  return g.activation(g.node('Add', [branch, shortcut]), 'relu');
}

describe('the backbone of a network for detection or segmentation', () => {
  it.each([
    ['YOLOv8', c2f],
    ['YOLOv5', c3],
  ])('%s: its bottlenecks follow masks, the neck and heads run densely', async (name, stage) => {
    const network = await agrees(
      model(
        (g, x) => {
          const stem = layer(g, x, [3, 4], { kernel: 3, stride: 2 });
          const fine = stage(g, layer(g, stem, [4, 8], { kernel: 3, stride: 2 }), [8, 8], 2);
          const coarse = stage(g, layer(g, fine, [8, 12], { kernel: 3, stride: 2 }), [12, 12], 1);
          // SPPF: a pool after the other.
          const pools = [layer(g, coarse, [12, 6])];
          for (let i = 0; i < 3; i++) {
            pools.push(g.node('MaxPool', [pools.at(-1)!], { kernel_shape: [5, 5], pads: [2, 2, 2, 2] }));
          }
          const mixed = layer(g, g.node('Concat', pools, { axis: 1 }), [24, 12]);
          const neck = g.node('Concat', [upsampled(g, mixed), fine], { axis: 1 });
          const joined = stage(g, neck, [20, 8], 1);
          return g.node('Conv', [joined, floats(g, 5, 8, 1, 1)]);
        },
        17,
        open,
      ),
      name,
    );
    expect(blocksOf(network).map(({ adaptive, kind }) => `${kind}${adaptive ? '' : ' dense'}`)).toEqual(
      new Array(4).fill(stage === c2f ? 'basic' : 'residual'),
    );
    expect(describeNetwork(network).nodes.filter(({ kind }) => kind === 'add')).toEqual([]);
    await sized(network, 32, 48);
  });

  it('a feature pyramid on a residual network: its sums say why they run densely', async () => {
    const network = await agrees(
      model(
        (g, x) => {
          const stem = layer(g, x, [3, 6], { kernel: 3, activation: 'relu' });
          const c3 = residual(g, residual(g, stem, [6, 8], { stride: 2 }), [8, 8]);
          const c4 = residual(g, residual(g, c3, [8, 12], { stride: 2 }), [12, 12]);
          const c5 = residual(g, c4, [12, 16], { stride: 2 });
          const lateral = (map: string, from: number) => layer(g, map, [from, 6], { activation: 'none' });
          const p5 = lateral(c5, 16);
          const p4 = g.node('Add', [lateral(c4, 12), upsampled(g, p5)]);
          const p3 = g.node('Add', [lateral(c3, 8), upsampled(g, p4)]);
          const head = layer(g, p3, [6, 6], { kernel: 3, activation: 'relu' });
          return g.node('Conv', [head, floats(g, 9, 6, 3, 3)], { pads: [1, 1, 1, 1] });
        },
        17,
        open,
      ),
      'pyramid',
    );
    expect(blocksOf(network).map(({ adaptive, kind }) => `${kind}${adaptive ? '' : ' dense'}`)).toEqual(
      new Array(5).fill('bottleneck'),
    );
    const sums = describeNetwork(network, { height: 64, width: 32 }).nodes.filter(
      ({ kind }) => kind === 'add',
    );
    expect(sums.map(({ dense }) => dense)).toEqual(new Array(2).fill('resize lies in its branch'));
    await sized(network, 64, 32);
  });

  it('a dilated residual network, as FCN and DeepLab have it', async () => {
    const network = await agrees(
      model(
        (g, x) => {
          const stem = layer(g, x, [3, 6], { kernel: 3, stride: 2, activation: 'relu' });
          const first = residual(g, residual(g, stem, [6, 8], { stride: 2 }), [8, 8]);
          const second = residual(g, residual(g, first, [8, 12], { dilation: 2 }), [12, 12], { dilation: 2 });
          const third = residual(g, residual(g, second, [12, 16], { dilation: 2 }), [16, 16], {
            dilation: 4,
          });
          // DeepLab's pyramid: dilated convolutions and the mean, side by side.
          const atrous = [1, 2, 3].map((dilation) =>
            layer(g, third, [16, 4], { kernel: 3, dilation, activation: 'relu' }),
          );
          const mean = layer(g, g.node('GlobalAveragePool', [third]), [16, 4], { activation: 'relu' });
          const size = g.node('Slice', [g.node('Shape', [third]), g.integers([2]), g.integers([4])]);
          const batch = g.node('Slice', [g.node('Shape', [third]), g.integers([0]), g.integers([1])]);
          const sizes = g.node('Concat', [batch, g.integers([4]), size], { axis: 0 });
          const spread = g.node('Resize', [mean, '', '', sizes], { mode: 'linear' });
          const head = layer(g, g.node('Concat', [...atrous, spread], { axis: 1 }), [16, 5], { kernel: 3 });
          const full = g.node('Slice', [g.node('Shape', [x]), g.integers([2]), g.integers([4])]);
          const target = g.node('Concat', [batch, g.integers([5]), full], { axis: 0 });
          return g.node('Resize', [head, '', '', target], {
            mode: 'linear',
            coordinate_transformation_mode: 'half_pixel',
          });
        },
        17,
        open,
      ),
      'dilated',
    );
    expect(blocksOf(network).filter(({ adaptive }) => adaptive)).toHaveLength(6);
    expect(describeNetwork(network, { height: 33, width: 40 }).nodes.at(-1)?.shape).toEqual([33, 40, 5]);
    await sized(network, 33, 40);
  });

  /** At another size, dense against onnxruntime, and masked against the reference. */
  async function sized(network: Network, height: number, width: number) {
    await agreesAt(network, height, width);
    const same = { ...network, inputShape: { channels: 3, height, width } };
    const images = randomImages(same, 2);
    for (const strategy of ['unfused', 'lasnet', 'streamed'] as const) {
      const options = { masker: 'random', rate: 0.5, seed: 3, granularity: 2, strategy } as const;
      const plain = await run(same, images, { ...options, backend: 'reference' });
      expect(plain.masks.length).toBe(blocksOf(network).filter(({ adaptive }) => adaptive).length);
      for (const backend of ['native', 'onnx', 'webgpu'] as const) {
        if ((await missingOf(backend)) !== undefined) continue;
        const { output } = await run(same, images, { ...options, backend });
        expect(relativeError(output.data, plain.output.data), `${backend} ${strategy}`).toBeLessThan(1e-4);
      }
    }
  }
});
