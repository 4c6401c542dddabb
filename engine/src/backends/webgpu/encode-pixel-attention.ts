import { attendedPlaces, seenPixels } from '../../network/pixel-attention.js';
import type { OperationOf } from '../../program/program.js';
import { everywhere } from './everywhere.js';
import { GROUP, type Kernel, spread, vectors } from './kernel.js';
import { type HeadVectors, MOST_QUERY_VECTORS, MOST_VALUE_VECTORS } from './kernels/attended-softmax.js';
import { attendedKernels } from './kernels/pixel-attention.js';
import type { BufferUse, Launch } from './launch.js';

type PixelAttention = OperationOf<'pixel-attention'>;

/** Invocations that fill a GPU. */
const FILLING = 2 ** 14;

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
  const form = { windows: windows !== undefined, apart, bias: bias !== undefined };
  const heard = seen.shape[0] * heads * seen.shape[1] * seen.shape[2];
  const byHead = aligned ? headVectors(attention, heard) : undefined;
  const { sums, written } = attendedKernels(by, { ...form, ...(byHead ? { byHead } : {}) });
  const uses: Readonly<Record<string, BufferUse>> = {
    ...(query ? { query: { map: query } } : {}),
    ...(bias ? { bias: { bias } } : {}),
    ...{ key: { map: key }, value: { map: value }, destination: { map: destination }, scratch: 'scratch' },
  };
  const bound = (names: readonly { readonly name: string }[]) =>
    Object.fromEntries(names.map(({ name }) => [name, uses[name]!]));
  const launch = (kernel: Kernel, items: number, own: Readonly<Record<string, number>>): Launch => {
    const [x, z] = spread(Math.ceil(items / GROUP));
    return {
      ...{ kernel, parameters: { ...parameters, items, ...own }, buffers: bound(kernel.bindings) },
      workgroups: [x, 1, z],
    };
  };
  if (by === 'softmax' && byHead) {
    const parts = vectors(width) / byHead.each;
    return [launch(written, heard * parts, { vectors: vectors(destination.shape[3]), parts })];
  }
  const output = everywhere(written, destination, parameters, bound(written.bindings));
  return sums ? [launch(sums, attendedScratch(operation), { vectors: across }), output] : [output];
}

/**
 * What an invocation of an attention by softmax does: as much of a head as leaves enough of them. What it does not sum up,
 * others do, for which they need all products again.
 * @param heard heads of all queries
 */
function headVectors({ depth, width }: PixelAttention['attention'], heard: number): HeadVectors {
  const all = vectors(width);
  const divisors = Array.from({ length: Math.min(all, MOST_VALUE_VECTORS) }, (_, i) => i + 1).filter(
    (each) => all % each === 0,
  );
  const each = divisors.findLast((count) => heard * (all / count) >= FILLING) ?? 1;
  return { depth: vectors(depth) <= MOST_QUERY_VECTORS ? vectors(depth) : 0, each };
}
