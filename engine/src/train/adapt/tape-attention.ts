import { attendedOutput, type PixelAttention, pixelWeightings } from '../../network/pixel-attention.js';
import type { Shape } from '../../tensor.js';
import type { Tape, Value } from './tape.js';

/** What an attention over pixels reads; a context has no query. */
interface Attended {
  readonly query?: Value;
  readonly key: Value;
  readonly value: Value;
}

/** Attention over pixels; its gradients go to queries, keys and values. */
export function attendPixels(tape: Tape, attention: PixelAttention, { query, key, value }: Attended): Value {
  const read = [query ?? key, key, value] as const;
  const shapes = { query: query?.shape, key: key.shape, value: value.shape };
  const output = tape.make(
    attendedOutput(attention, shapes),
    read.some(({ learned }) => learned),
  );
  const dims = attendedDims(attention, { query: read[0].shape, key: key.shape, value: value.shape });
  const constants = attendedConstants(attention);
  const arrays = read.map(({ array }) => array);
  tape.emit('pixel-attention', dims, ...arrays, ...constants, output.array);
  tape.onBackward(() => {
    const slope = tape.takeSlope(output);
    if (!slope) return;
    // Queries, keys and values are often channels of one map.
    const into = new Map<Value['array'], Float32Array>();
    const clears: number[] = [];
    const gradients = read.map((input) => {
      const known = into.get(input.array);
      const gradient = known ?? tape.take(input.array.length);
      clears.push(known ? 0 : 1);
      into.set(input.array, gradient);
      return gradient;
    });
    tape.emit('pixel-attention-dx', [...dims, ...clears], slope, ...arrays, ...constants, ...gradients);
    tape.give(slope);
    for (const [array, gradient] of into) {
      const input = read.find((each) => each.array === array)!;
      if (input.learned) tape.addSlope(input, gradient);
      else tape.give(gradient);
    }
  });
  return output;
}

/** The sizes that the operations `pixel-attention` and, before those that it adds, `pixel-attention-dx` take. */
export function attendedDims(
  attention: PixelAttention,
  { query, key, value }: Readonly<Record<'query' | 'key' | 'value', Shape>>,
): number[] {
  const { by, heads, depth, width, patch, windows, bias } = attention;
  const places = [attention.query ?? attention.key, attention.key, attention.value];
  return [
    ...[...query, ...key.slice(1), value[3]],
    ...[pixelWeightings.indexOf(by), heads, depth, width],
    ...places.flatMap(({ first, step }) => [first, step]),
    ...[...patch, ...(windows?.extent ?? [0, 0]), ...(windows?.shift ?? [0, 0]), bias ? 1 : 0],
  ];
}

/** What both operations read besides maps: numbers, and the bias or nothing. */
export function attendedConstants({ scale, epsilon, windows, bias }: PixelAttention): Float32Array[] {
  return [Float32Array.of(scale, epsilon, windows?.apart ?? 0), bias?.values ?? new Float32Array(0)];
}
