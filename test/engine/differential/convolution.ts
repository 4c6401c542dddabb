import { createRequire } from 'node:module';
import type { Convolution } from '@fovea/engine/backend';
import { activated, makePlanes, type Planes } from './planes.js';

/** Computes a convolution and its activation at every output pixel. */
export type Convolve = (input: Planes, convolution: Convolution) => Promise<Planes>;

/** The definition, in plain loops with sums in double precision. */
export const convolveInLoops: Convolve = async (input, convolution) => {
  if (convolution.maximum) return largestUnderKernel(input, convolution);
  const { kernel, stride, dilation, groups, outChannels, weight, bias } = convolution;
  const { C, H, W, data } = input;
  const padding = paddingOf(convolution, H, W);
  const perGroup = C / groups;
  const sums = makePlanes(outputExtent(input, convolution), (n, k, y, x) => {
    const group = Math.floor((k * groups) / outChannels);
    let sum = bias[k]!;
    for (let c = 0; c < perGroup; c++) {
      const plane = (n * C + group * perGroup + c) * H;
      for (let ky = 0; ky < kernel[0]; ky++) {
        const row = y * stride[0] + ky * dilation[0] - padding[0];
        if (row < 0 || row >= H) continue;
        for (let kx = 0; kx < kernel[1]; kx++) {
          const column = x * stride[1] + kx * dilation[1] - padding[1];
          if (column < 0 || column >= W) continue;
          sum +=
            data[(plane + row) * W + column]! *
            weight[((k * perGroup + c) * kernel[0] + ky) * kernel[1] + kx]!;
        }
      }
    }
    return sum;
  });
  return finished(sums, convolution);
};

/** A max-pool in a branch: values around the map do not count. */
function largestUnderKernel(input: Planes, convolution: Convolution): Planes {
  const { kernel, stride } = convolution;
  const { C, H, W, data } = input;
  const [top, left] = paddingOf(convolution, H, W);
  return makePlanes(outputExtent(input, convolution), (n, c, y, x) => {
    let most = Number.NEGATIVE_INFINITY;
    for (let row = y * stride[0] - top!; row < y * stride[0] - top! + kernel[0]; row++) {
      for (let column = x * stride[1] - left!; column < x * stride[1] - left! + kernel[1]; column++) {
        if (row < 0 || row >= H || column < 0 || column >= W) continue;
        most = Math.max(most, data[((n * C + c) * H + row) * W + column]!);
      }
    }
    return most;
  });
}

/** The sums of a convolution, normalised over the channels of each pixel where they are to be, and activated. */
function finished(sums: Planes, { activation, slopes, normalisation }: Convolution): Planes {
  const { N, C, H, W, data } = sums;
  const plane = H * W;
  for (let n = 0; normalisation && n < N; n++) {
    for (let pixel = 0; pixel < plane; pixel++) {
      const places = Array.from({ length: C }, (_, c) => (n * C + c) * plane + pixel);
      const mean = normalisation.centred === false ? 0 : places.reduce((sum, at) => sum + data[at]!, 0) / C;
      const variance = places.reduce((sum, at) => sum + (data[at]! - mean) ** 2, 0) / C;
      const deviation = Math.sqrt(variance + normalisation.epsilon);
      places.forEach((at, c) => {
        data[at] = ((data[at]! - mean) / deviation) * normalisation.scale[c]! + normalisation.shift[c]!;
      });
    }
  }
  if (activation === 'none') return sums;
  for (let i = 0; i < data.length; i++)
    data[i] = activated(data[i]!, activation, slopes?.[Math.floor(i / plane) % C]);
  return sums;
}

function outputExtent({ N, H, W }: Planes, convolution: Convolution): Omit<Planes, 'data'> {
  return { N, C: convolution.outChannels, ...extentAfter({ H, W }, convolution) };
}

/** Height and width of what a convolution makes of a map. */
export function extentAfter({ H, W }: { H: number; W: number }, convolution: Convolution) {
  const { kernel, stride, dilation } = convolution;
  const [top, left, bottom, right] = paddingOf(convolution, H, W);
  return {
    H: Math.floor((H + top + bottom - dilation[0] * (kernel[0] - 1) - 1) / stride[0]) + 1,
    W: Math.floor((W + left + right - dilation[1] * (kernel[1] - 1) - 1) / stride[1]) + 1,
  };
}

/** Zeros around a map; by size, as many as leave the quotient of extent and stride, rounded up, of windows. */
function paddingOf({ kernel, stride, dilation, padding, samePadding }: Convolution, H: number, W: number) {
  if (!samePadding) return padding;
  const [rows, columns] = [H, W].map((extent, axis) => {
    const windows = Math.ceil(extent / stride[axis]!);
    let zeros = 0;
    while ((windows - 1) * stride[axis]! + dilation[axis]! * (kernel[axis]! - 1) + 1 > extent + zeros)
      zeros++;
    const fewer = Math.floor(zeros / 2);
    return samePadding === 'upper' ? [fewer, zeros - fewer] : [zeros - fewer, fewer];
  }) as [[number, number], [number, number]];
  return [rows[0], columns[0], rows[1], columns[1]] as const;
}

/** What is used of onnxruntime's Node binding. */
interface Runtime {
  readonly InferenceSession: {
    create(model: Uint8Array, options: object): Promise<RuntimeSession>;
  };
  readonly Tensor: new (
    type: 'float32',
    data: Float32Array,
    dims: readonly number[],
  ) => { readonly data: unknown; readonly dims: readonly number[] };
}

interface RuntimeSession {
  run(feeds: object): Promise<Record<string, { readonly data: unknown }>>;
}

/**
 * onnxruntime's dense convolution, many times as fast as the loops: a graph of one `Conv` for each geometry, the
 * weights fed like the input. The loops where onnxruntime cannot be loaded.
 */
export function fastConvolve(): Convolve {
  let runtime: Runtime;
  try {
    runtime = createRequire(import.meta.url)('onnxruntime-node') as Runtime;
  } catch {
    return convolveInLoops;
  }
  const graphs = new Map<string, Promise<RuntimeSession>>();
  return async (input, convolution) => {
    if (convolution.maximum) return largestUnderKernel(input, convolution);
    const { kernel, stride, dilation, groups, outChannels, weight, bias } = convolution;
    const pads = paddingOf(convolution, input.H, input.W);
    const model = convModel({ kernel, strides: stride, pads, dilations: dilation, groups });
    const key = Buffer.from(model).toString('latin1');
    let graph = graphs.get(key);
    if (!graph) {
      graph = runtime.InferenceSession.create(model, { intraOpNumThreads: 1, logSeverityLevel: 3 });
      graphs.set(key, graph);
    }
    const { N, C, H, W, data } = input;
    const { Tensor } = runtime;
    const { y } = await (await graph).run({
      x: new Tensor('float32', data, [N, C, H, W]),
      w: new Tensor('float32', weight, [outChannels, C / groups, ...kernel]),
      b: new Tensor('float32', bias, [outChannels]),
    });
    return finished({ ...outputExtent(input, convolution), data: y!.data as Float32Array }, convolution);
  };
}

/** An ONNX model `y = Conv(x, w, b)`, spelled out in protocol buffers' wire format. */
function convModel(attributes: {
  kernel: readonly number[];
  strides: readonly number[];
  pads: readonly number[];
  dilations: readonly number[];
  groups: number;
}): Uint8Array {
  const varint = (value: number): number[] =>
    value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
  const number = (field: number, value: number) => [...varint(field << 3), ...varint(value)];
  const bytes = (field: number, value: readonly number[]) => [
    ...varint((field << 3) | 2),
    ...varint(value.length),
    ...value,
  ];
  const text = (field: number, value: string) => bytes(field, [...Buffer.from(value)]);
  // AttributeProto: name 1, i 3, ints 8, type 20 (INT 2, INTS 7).
  const integers = (name: string, values: readonly number[]) =>
    bytes(5, [...text(1, name), ...values.flatMap((value) => number(8, value)), ...number(20, 7)]);
  const node = [
    ...['x', 'w', 'b'].flatMap((name) => text(1, name)),
    ...text(2, 'y'),
    ...text(4, 'Conv'),
    ...integers('kernel_shape', attributes.kernel),
    ...integers('strides', attributes.strides),
    ...integers('pads', attributes.pads),
    ...integers('dilations', attributes.dilations),
    ...bytes(5, [...text(1, 'group'), ...number(3, attributes.groups), ...number(20, 2)]),
  ];
  // ValueInfoProto with a TypeProto of float tensors, their extents left open.
  const float = (name: string) => [...text(1, name), ...bytes(2, bytes(1, number(1, 1)))];
  const graph = [
    ...bytes(1, node),
    ...text(2, 'conv'),
    ...['x', 'w', 'b'].flatMap((name) => bytes(11, float(name))),
    ...bytes(12, float('y')),
  ];
  return Uint8Array.from([...number(1, 8), ...bytes(7, graph), ...bytes(8, number(2, 13))]);
}
