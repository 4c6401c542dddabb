import type { Interpolation } from '../../network.js';
import { type GraphNode, intOf, intsOf, stringOf } from '../graph.js';
import type { Handler, Outcome, Scope, Value } from '../scope.js';
import { numberValues } from '../tensor.js';
import { identity } from './rename.js';

/** Axis of the channels, of maps and of vectors. */
const CHANNELS = 1;

const axisOf = (given: number, rank: number) => (given < 0 ? given + rank : given);

/** Values of one size, one behind the other along the channels. */
export const concat: Handler = (node, scope) => {
  if (node.inputs.length === 1) return identity(node, scope);
  const indices = [...node.inputs.keys()];
  const values = indices.map((index) => scope.value(node, index));
  const sizes = node.inputs.map((name) => scope.dims(name)?.toSpliced(CHANNELS, 1).join());
  const [first] = values;
  let channels = 0;
  for (const [i, value] of values.entries()) {
    if (value?.channels === undefined || value.channelsLast || value.rank !== first!.rank) return undefined;
    if (sizes[i] === undefined || sizes[i] !== sizes[0]) return undefined;
    channels += value.channels;
  }
  const { rank } = first!;
  if (axisOf(intOf(node, 'axis', CHANNELS), rank) !== CHANNELS) return undefined;
  return {
    draft: { kind: 'concat', ...scope.base(node, scope.inputs(node, ...indices)) },
    value: { rank, channels, pooled: values.every((value) => value!.pooled) },
  };
};

/** Adjacent channels of a value, in the order of the output that they make. */
function slicesOf(
  node: GraphNode,
  scope: Scope,
  value: Value,
  ranges: readonly { readonly output: string; readonly first: number; readonly channels: number }[],
): Outcome {
  const inputs = scope.inputs(node, 0);
  return {
    drafts: ranges.map(({ output, first, channels }) => ({
      draft: { kind: 'slice', ...scope.base(node, inputs), outputs: [output], first, channels },
      value: { ...value, channels },
    })),
  };
}

/** A value of the engine whose channels are known, in ONNX's order. */
function sliceable(node: GraphNode, scope: Scope): (Value & { readonly channels: number }) | undefined {
  const value = scope.value(node, 0);
  if (value?.channels === undefined || value.channelsLast) return undefined;
  return { ...value, channels: value.channels };
}

/** One axis from one channel to another, in steps of one. Before operator set 10 the ends were attributes. */
export const slice: Handler = (node, scope) => {
  const value = sliceable(node, scope);
  const [starts, ends, axes, steps] = ['starts', 'ends', 'axes', 'steps'].map(
    (name, i) => intsOf(node, name) ?? scope.integers(node, i + 1),
  );
  const known = !scope.hasInput(node, 3) || axes !== undefined;
  const [axis = 0] = axes ?? [];
  if (!value || starts?.length !== 1 || ends?.length !== 1 || (axes?.length ?? 1) !== 1 || !known)
    return undefined;
  if (axisOf(axis, value.rank) !== CHANNELS || (scope.hasInput(node, 4) && steps?.join() !== '1'))
    return undefined;
  const { channels: all } = value;
  const within = (channel: number) => Math.min(Math.max(channel < 0 ? channel + all : channel, 0), all);
  const first = within(starts[0]!);
  const channels = within(ends[0]!) - first;
  if (channels < 1) return undefined;
  if (channels === all) return identity(node, scope);
  return slicesOf(node, scope, value, [{ output: node.outputs[0]!, first, channels }]);
};

/** Each output is a slice; one that nothing reads is left out. */
export const split: Handler = (node, scope) => {
  const value = sliceable(node, scope);
  if (!value || axisOf(intOf(node, 'axis', 0), value.rank) !== CHANNELS) return undefined;
  const { outputs } = node;
  const parts = intsOf(node, 'split') ?? scope.integers(node, 1);
  if (!parts && scope.hasInput(node, 1)) return undefined;
  const even = Math.ceil(value.channels / outputs.length);
  const extents = parts ?? outputs.map((_, i) => Math.min(even, Math.max(0, value.channels - i * even)));
  const whole = extents.reduce((sum, extent) => sum + extent, 0) === value.channels;
  if (!whole || extents.length !== outputs.length || extents.some((extent) => extent < 1)) return undefined;
  let first = 0;
  const ranges = extents.map((channels, i) => {
    const range = { output: outputs[i]!, first, channels };
    first += channels;
    return range;
  });
  const read = ranges.filter(({ output }) => scope.isRead(output));
  return read.length > 0 ? slicesOf(node, scope, value, read) : undefined;
};

/** Where pixels lie and which is the nearest, before operator set 11: as the other operators that had no say in it. */
const EARLIER = { coordinates: 'asymmetric', rounding: 'floor' } as const;

/** A map made larger by whole factors. */
export const resize: Handler = (node, scope) => {
  // Before operator set 11 there was no region of interest between map and scales.
  const earlier = node.op === 'Upsample' || node.inputs.length === 2;
  const coordinates = earlier
    ? EARLIER.coordinates
    : stringOf(node, 'coordinate_transformation_mode', 'half_pixel');
  const rounding = earlier ? EARLIER.rounding : stringOf(node, 'nearest_mode', 'round_prefer_floor');
  const value = scope.value(node, 0);
  const stretched = stringOf(node, 'keep_aspect_ratio_policy', 'stretch') === 'stretch';
  const others = ['antialias', 'exclude_outside'].some((name) => intOf(node, name, 0) !== 0);
  if (value?.rank !== 4 || value.channelsLast || others || !stretched) return undefined;
  const factors = factorsOf(node, scope, earlier);
  if (factors?.length !== 4 || factors[0] !== 1 || factors[1] !== 1) return undefined;
  const factor = [factors[2]!, factors[3]!] as const;
  if (factor.some((one) => !(Number.isInteger(one) && one >= 1 && one <= 65_536))) return undefined;
  if (factor.every((one) => one === 1)) return identity(node, scope);
  const interpolation = interpolationOf(stringOf(node, 'mode', 'nearest'), coordinates, rounding, factor);
  if (!interpolation) return undefined;
  return {
    draft: { kind: 'resize', ...scope.base(node, scope.inputs(node, 0)), factor, interpolation },
    value: { ...value, pooled: false },
  };
};

/** By how much each axis grows, in ONNX's order. */
function factorsOf(node: GraphNode, scope: Scope, earlier: boolean): readonly number[] | undefined {
  const scales = scope.constant(node, earlier ? 1 : 2);
  const attribute = node.attributes.get('scales')?.floats;
  const given = attribute ?? (scales && numberValues(scales));
  const listed = given?.length ? given : scope.factors(node, 0, 3);
  const axes = intsOf(node, 'axes');
  if (!axes || !listed) return listed;
  const factors = [1, 1, 1, 1];
  for (const [i, axis] of axes.entries()) factors[axisOf(axis, 4)] = listed[i] ?? Number.NaN;
  return factors;
}

function interpolationOf(
  mode: string,
  coordinates: string,
  rounding: string,
  factor: readonly number[],
): Interpolation | undefined {
  if (mode === 'nearest')
    return factor.every((one) => repeats(one, coordinates, rounding)) ? 'nearest' : undefined;
  if (mode !== 'linear') return undefined;
  // Those of whole factors that differ elsewhere only.
  const names: Readonly<Record<string, Interpolation>> = {
    half_pixel: 'half-pixel',
    half_pixel_symmetric: 'half-pixel',
    pytorch_half_pixel: 'half-pixel',
    align_corners: 'align-corners',
    asymmetric: 'asymmetric',
  };
  return names[coordinates];
}

/** Whether each pixel is repeated `factor` times: what it takes is looked at within one pixel, as all are alike. */
function repeats(factor: number, coordinates: string, rounding: string): boolean {
  const place: Readonly<Record<string, (p: number) => number>> = {
    half_pixel: (p) => (p + 0.5) / factor - 0.5,
    half_pixel_symmetric: (p) => (p + 0.5) / factor - 0.5,
    pytorch_half_pixel: (p) => (p + 0.5) / factor - 0.5,
    tf_half_pixel_for_nn: (p) => (p + 0.5) / factor,
    asymmetric: (p) => p / factor,
  };
  const round: Readonly<Record<string, (x: number) => number>> = {
    floor: Math.floor,
    ceil: Math.ceil,
    round_prefer_floor: (x) => Math.ceil(x - 0.5),
    round_prefer_ceil: (x) => Math.floor(x + 0.5),
  };
  const [at, rounded] = [place[coordinates], round[rounding]];
  if (!at || !rounded) return false;
  return Array.from({ length: factor }, (_, i) => rounded(at(factor + i))).every((pixel) => pixel === 1);
}
