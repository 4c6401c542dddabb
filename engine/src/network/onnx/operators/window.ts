import type { Convolution } from '../../network.js';
import { paddingOn, padsAlikeAtAnySize } from '../../shapes.js';
import { floatOf, type GraphNode, intOf, intsOf, stringOf } from '../graph.js';
import type { Handler, Scope } from '../scope.js';

/** Strides, paddings and the like: whole numbers in a range that no real layer leaves. */
export function extents(
  node: GraphNode,
  scope: Scope,
  name: string,
  count: number,
  otherwise: number,
  least: number,
) {
  const values = intsOf(node, name) ?? new Array<number>(count).fill(otherwise);
  if (values.length !== count || values.some((value) => !(value >= least && value <= 65_536))) {
    scope.fail(
      node,
      `has ${name} [${values.slice(0, 8).join(', ')}]; ${count} values of ${least} … 65536 are accepted`,
    );
  }
  return values;
}

/** The padding of a window, or the rule by which it follows from the map's size. */
export function paddingOf(
  node: GraphNode,
  scope: Scope,
  kernel: readonly number[],
  stride: readonly number[],
  dilation: readonly number[],
): Pick<Convolution, 'padding' | 'samePadding'> {
  const auto = stringOf(node, 'auto_pad', 'NOTSET');
  if (auto === 'VALID') return { padding: [0, 0, 0, 0] };
  if (auto === 'NOTSET' || auto === '') {
    return { padding: extents(node, scope, 'pads', 4, 0, 0) as [number, number, number, number] };
  }
  const rule = {
    kernel: pair(kernel),
    stride: pair(stride),
    dilation: pair(dilation),
    padding: [0, 0, 0, 0],
    samePadding: auto === 'SAME_LOWER' ? 'lower' : 'upper',
  } as const;
  return padsAlikeAtAnySize(rule)
    ? { padding: paddingOn(rule, 1, 1) }
    : { padding: rule.padding, samePadding: rule.samePadding };
}

export const pair = (values: readonly number[]) => [values[0]!, values[1]!] as const;

export const pool: Handler = (node, scope) => {
  const value = scope.value(node, 0);
  const kernel = intsOf(node, 'kernel_shape');
  if (value?.rank !== 4 || kernel?.length !== 2 || scope.isRead(node.outputs[1])) return undefined;
  extents(node, scope, 'kernel_shape', 2, 1, 1);
  const stride = extents(node, scope, 'strides', 2, 1, 1);
  const dilation = extents(node, scope, 'dilations', 2, 1, 1);
  if ((intsOf(node, 'pads') ?? []).some((pad) => pad < 0)) return undefined;
  const around = paddingOf(node, scope, kernel, stride, dilation);
  if (dilation.some((step) => step !== 1)) return undefined;
  const { padding } = around;
  const ceilMode = intOf(node, 'ceil_mode', 0) !== 0;
  if (ceilMode && around.samePadding) return undefined;
  // A window that lies in the padding alone has no defined mean or maximum.
  if (
    padding[0] >= kernel[0]! ||
    padding[2] >= kernel[0]! ||
    padding[1] >= kernel[1]! ||
    padding[3] >= kernel[1]!
  ) {
    return undefined;
  }
  const unpadded = around.samePadding === undefined && padding.every((amount) => amount === 0);
  if (node.op === 'AveragePool' && unpadded && isGlobal(node, scope, kernel)) return globalPool(node, scope);
  return {
    draft: {
      kind: node.op === 'MaxPool' ? 'max-pool' : 'average-pool',
      ...scope.base(node, scope.inputs(node, 0)),
      kernel: pair(kernel),
      stride: pair(stride),
      ...around,
      ceilMode,
      countIncludePad: intOf(node, 'count_include_pad', 0) !== 0,
    },
    value: { rank: 4, channels: value.channels, pooled: false },
  };
};

/** Operators that make a vector of a pooled map, or the shape of one. */
const flattening = new Set(['Flatten', 'Reshape', 'Shape', 'Squeeze']);

/** Whether a window is the whole map, and the mean becomes a vector, as CIFAR's networks end: `avg_pool2d(x, 8)`. */
function isGlobal(node: GraphNode, scope: Scope, kernel: readonly number[]): boolean {
  const whole = scope.dims(node.inputs[0]!)?.slice(2).join() === kernel.join();
  const readers = scope.consumersOf(node.outputs[0]!);
  return whole && readers.length > 0 && readers.every(({ op }) => flattening.has(op));
}

export const globalPool: Handler = (node, scope) => {
  const value = scope.value(node, 0);
  if (value?.rank !== 4) return undefined;
  return {
    draft: { kind: 'global-pool', ...scope.base(node, scope.inputs(node, 0)) },
    value: { rank: 4, channels: value.channels, pooled: true },
  };
};

/** A mean over height and width, in either order, is a global pool. */
export const reduceMean: Handler = (node, scope) => {
  const value = scope.value(node, 0);
  const axes = intsOf(node, 'axes') ?? scope.integers(node, 1);
  const spatial = axes?.map((axis) => (axis < 0 ? axis + 4 : axis)).sort((a, b) => a - b);
  if (value?.rank !== 4 || spatial?.join() !== '2,3') return undefined;
  return {
    draft: { kind: 'global-pool', ...scope.base(node, scope.inputs(node, 0)) },
    value: { rank: intOf(node, 'keepdims', 1) !== 0 ? 4 : 2, channels: value.channels, pooled: true },
  };
};

export const pad: Handler = (node, scope) => {
  const value = scope.value(node, 0);
  const pads = intsOf(node, 'pads') ?? scope.integers(node, 1);
  const given = scope.hasInput(node, 2) ? scope.floats(node, 2)?.[0] : 0;
  const filling = node.attributes.has('value') ? floatOf(node, 'value', 0) : given;
  const constant =
    stringOf(node, 'mode', 'constant') === 'constant' && filling === 0 && !scope.hasInput(node, 3);
  if (value?.rank !== 4 || pads?.length !== 8 || !constant) return undefined;
  if (pads.some((amount) => !(amount >= 0 && amount <= 65_536)) || pads[0] || pads[1] || pads[4] || pads[5])
    return undefined;
  return {
    draft: {
      kind: 'pad',
      ...scope.base(node, scope.inputs(node, 0)),
      channels: value.channels,
      padding: [pads[2]!, pads[3]!, pads[6]!, pads[7]!],
    },
    value: { ...value, pooled: false },
  };
};
