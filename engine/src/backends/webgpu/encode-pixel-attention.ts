import { attendedPlaces, seenPixels } from '../../network/pixel-attention.js';
import type { OperationOf } from '../../program/program.js';
import { everywhere } from './everywhere.js';
import { GROUP, spread, vectors } from './kernel.js';
import { attendedKernels } from './kernels/pixel-attention.js';
import type { BufferUse, Launch } from './launch.js';

type PixelAttention = OperationOf<'pixel-attention'>;

const bitsOf = (value: number) => new Uint32Array(Float32Array.of(value).buffer)[0]!;

/** Rows of what is summed over the keys: of linear weights one for each channel of a key. */
function sumsOf({ attention, key }: PixelAttention): { readonly rows: number; readonly across: number } {
  const { by, heads, depth, width } = attention;
  if (by === 'softmax') return { rows: 0, across: 0 };
  const units = key.shape[0] * attendedPlaces(attention, key.shape) * heads;
  // Behind the channels, the sum of the weights.
  return by === 'linear'
    ? { rows: units * depth, across: vectors(width + 1) }
    : { rows: units, across: vectors(width) };
}

/** Vectors of the program's scratch that an attention over pixels takes. */
export function attendedScratch(operation: PixelAttention): number {
  const { rows, across } = sumsOf(operation);
  return rows * across;
}

/** The dispatches of an attention over pixels: what is summed over keys for all queries, and each query's own. */
export function encodePixelAttention(operation: PixelAttention): Launch[] {
  const { attention, query, key, value, destination } = operation;
  const { by, heads, depth, width, patch, windows, bias } = attention;
  const seen = query ?? key;
  const { across } = sumsOf(operation);
  const [, queryHeight, queryWidth] = seen.shape;
  const [, keyHeight, keyWidth] = key.shape;
  const own = attention.query ?? attention.key;
  const parameters = {
    ...{ heads, depth, width, sumVectors: across, channels: destination.shape[3] },
    ...{ keys: seenPixels(attention, key.shape), queries: seenPixels(attention, seen.shape) },
    ...{ queryHeight, queryWidth, keyHeight, keyWidth, patchHeight: patch[0], patchWidth: patch[1] },
    queryVectors: vectors(seen.shape[3]),
    keyVectors: vectors(key.shape[3]),
    valueVectors: vectors(value.shape[3]),
    ...{ queryFirst: own.first, queryStep: own.step },
    ...{ keyFirst: attention.key.first, keyStep: attention.key.step },
    ...{ valueFirst: attention.value.first, valueStep: attention.value.step },
    ...{ windowHeight: windows?.extent[0] ?? 0, windowWidth: windows?.extent[1] ?? 0 },
    ...{ shiftY: windows?.shift[0] ?? 0, shiftX: windows?.shift[1] ?? 0, apart: bitsOf(windows?.apart ?? 0) },
    ...{ scale: bitsOf(attention.scale), epsilon: bitsOf(attention.epsilon), firstGroup: 0 },
  };
  const places = [own, attention.key, attention.value].flatMap(({ first, step }) => [first, step]);
  const aligned = [depth, width, ...places].every((channels) => channels % 4 === 0);
  const apart = (windows?.apart ?? 0) !== 0;
  const form = { aligned, windows: windows !== undefined, apart, bias: bias !== undefined };
  const { sums, written } = attendedKernels(by, form);
  const uses: Readonly<Record<string, BufferUse>> = {
    ...(query ? { query: { map: query } } : {}),
    ...(bias ? { bias: { bias } } : {}),
    ...{ key: { map: key }, value: { map: value }, destination: { map: destination }, scratch: 'scratch' },
  };
  const bound = (names: readonly { readonly name: string }[]) =>
    Object.fromEntries(names.map(({ name }) => [name, uses[name]!]));
  const output = everywhere(written, destination, parameters, bound(written.bindings));
  if (!sums) return [output];
  const items = attendedScratch(operation);
  const [x, z] = spread(Math.ceil(items / GROUP));
  return [
    {
      kernel: sums,
      parameters: { ...parameters, items, vectors: across },
      buffers: bound(sums.bindings),
      workgroups: [x, 1, z],
    },
    output,
  ];
}
