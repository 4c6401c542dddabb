import { scalesByResponse, slidesOverChannels } from '../../network/attention.js';
import type { Excite } from '../../program/program.js';
import { spread, vectors } from './kernel.js';
import { activationKind, activationValues } from './kernels/activation.js';
import { pixelScaleKernel, scaleKernel, scalesKernel, summaryKernel } from './kernels/attention.js';
import { type Launch, type Rows, rowValues, workgroupsFor } from './launch.js';
import type { Lists } from './lists.js';
import { biasVector } from './weights.js';

/** Where an attention's intermediates lie in the program's scratch, in vectors. */
export function scratchOf({ map, attention }: Pick<Excite, 'map' | 'attention'>) {
  const [images, H, W, C] = map.shape;
  const width = vectors(C);
  const hiddenVectors = vectors(attention.reduce?.outChannels ?? C);
  const pooled = attention.pools.map((_, pool) => pool * images * width);
  const scales = images * (pooled.length * width + hiddenVectors);
  const summaries = scales + images * width;
  const pixels = attention.spatial ? images * H * W : 0;
  return {
    hiddenVectors,
    pooled,
    scales,
    summaries,
    weights: summaries + pixels,
    size: summaries + 2 * pixels,
  };
}

/** The dispatches of an attention behind its pools. */
export function encodeAttention(operation: Excite, lists: Lists): Launch[] {
  const { map, attention, pooledOver, scaled } = operation;
  const { pools, epsilon, reduce, gate, spatial } = attention;
  const [images, height, width, channels] = map.shape;
  const { hiddenVectors, scales, summaries, weights } = scratchOf(operation);
  const [x, z] = spread(images);
  const form = slidesOverChannels(gate) ? 'slide' : scalesByResponse(attention) ? 'response' : 'matrix';
  const count = images * height * width;
  const plane = height * width;
  const shared = { vectors: vectors(channels), plane, scales };
  const scaledRows: Rows = { count, list: scaled && lists.of(scaled) };
  const launches: Launch[] = [
    {
      kernel: scalesKernel({
        reduced: reduce && activationKind(reduce.activation),
        gated: activationKind(gate.activation),
        gate: form,
      }),
      parameters: {
        ...{ images, pools: pools.length, vectors: vectors(channels), hiddenVectors },
        ...{ gateBias: biasVector(gate), ...(reduce ? { reduceBias: biasVector(reduce) } : {}) },
        ...(form === 'matrix' ? {} : { channels }),
        ...(form === 'slide' ? { taps: gate.kernel[1] } : {}),
        ...(form === 'response' ? { epsilon: new Uint32Array(Float32Array.of(epsilon!).buffer)[0]! } : {}),
        ...activationValues({ gated: gate.activation, ...(reduce ? { reduced: reduce.activation } : {}) }),
      },
      buffers: {
        ...(reduce ? { reduce: { convolution: reduce } } : {}),
        gate: { convolution: gate },
        scratch: 'scratch',
      },
      workgroups: [x, 1, z],
    },
  ];
  const lined = { lists: 'lists', counters: 'counters' } as const;
  if (spatial) {
    const read: Rows = { count, list: pooledOver && lists.of(pooledOver) };
    const { kernel, padding, dilation } = spatial;
    launches.push(
      {
        kernel: summaryKernel,
        parameters: { ...rowValues(read), ...shared, channels, summaries },
        buffers: { ...lined, map: { map }, scratch: 'scratch' },
        workgroups: workgroupsFor(read, 1),
      },
      {
        kernel: pixelScaleKernel(activationKind(spatial.activation)),
        parameters: {
          ...rowValues(scaledRows),
          ...{
            height,
            width,
            kernelHeight: kernel[0],
            kernelWidth: kernel[1],
            top: padding[0],
            left: padding[1],
          },
          ...{
            dilationY: dilation[0],
            dilationX: dilation[1],
            bias: biasVector(spatial),
            summaries,
            weights,
          },
          ...activationValues({ gated: spatial.activation }),
        },
        buffers: { ...lined, spatial: { convolution: spatial }, scratch: 'scratch' },
        workgroups: workgroupsFor(scaledRows, 1),
      },
    );
  }
  launches.push({
    kernel: scaleKernel(spatial !== undefined),
    parameters: {
      ...rowValues(scaledRows),
      ...{ ...shared, packed: map.layout.kind === 'packed' ? 1 : 0 },
      ...(spatial ? { weights } : {}),
    },
    buffers: { ...lined, map: { map }, scratch: 'scratch' },
    workgroups: workgroupsFor(scaledRows, shared.vectors),
  });
  return launches;
}
